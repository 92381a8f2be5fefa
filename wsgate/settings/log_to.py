"""The syntax of ``log.to``: where the log goes."""

from __future__ import annotations

import os

from wsgate.settings.model import LogTo, LogToKind
from wsgate.text.address import host_and_port, unix_path
from wsgate.text.error import TextError, quote
from wsgate.text.port import port_number

EXPECTED = "stderr, stdout, file:/path, journald, syslog, syslog:udp://host:port or syslog:tcp://host:port"
_SYSLOG_SOCKET = "/dev/log"
_PORTS = {LogToKind.SYSLOG_UDP: 514, LogToKind.SYSLOG_TCP: 601}  # RFC 5426 §3.3, RFC 3195


def log_to(text: str) -> LogTo:
    """Parses one of ``EXPECTED``. Raises ``TextError`` when it is none."""
    kind, _, rest = text.partition(":")
    if text in ("stderr", "stdout", "journald"):
        return LogTo(LogToKind(text))
    if kind == "file" and rest:
        return _file(rest)
    if text == "syslog":
        return LogTo(LogToKind.SYSLOG, _SYSLOG_SOCKET)
    if kind == "syslog" and rest:
        return _syslog(rest)
    if text.startswith("/"):
        raise TextError(f"{quote(text)} is a path: write file:{text}")
    raise TextError(f"expected {EXPECTED}, found {quote(text)}")


def _file(path: str) -> LogTo:
    if not path.startswith("/"):
        raise TextError(f"{quote(path)} is not an absolute path: write file:/{path}")
    if path.endswith("/") or "\0" in path:
        raise TextError(f"{quote(path)} is no file")
    return LogTo(LogToKind.FILE, os.path.normpath(path))


def _syslog(text: str) -> LogTo:
    scheme, slashes, authority = text.partition("://")
    if not slashes:
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise TextError(f"{quote(text)} says not how: write syslog:udp://{text} or syslog:tcp://{text}")
        return LogTo(LogToKind.SYSLOG, unix_path(path))
    if scheme not in ("udp", "tcp"):
        raise TextError(f"unknown scheme {quote(scheme)}: write syslog:udp://{authority} or syslog:tcp://{authority}")
    kind = LogToKind.SYSLOG_UDP if scheme == "udp" else LogToKind.SYSLOG_TCP
    host, port = host_and_port(authority)
    return LogTo(kind, host=host, port=_PORTS[kind] if port is None else port_number(port))
