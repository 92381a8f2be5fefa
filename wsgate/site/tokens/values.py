"""Parses the targets that token sources and clients name.

The message of a ``ValueError`` says what is wrong without repeating the text, which may be close to a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from wsgate.settings.model import Target, TcpAddress, UnixAddress
from wsgate.text.address import unix_path
from wsgate.text.error import TextError
from wsgate.text.host import host
from wsgate.text.port import looks_like_port, port_number

Targets = tuple[Target, ...]

MAX_TARGETS = 16  # of one token: they are dialled one after the other

_SCHEME = re.compile(r"(tcp|tls)://")
_UNIX = re.compile(r"unix(?:_socket)?:")  # our prefix and websockify's


def targets(text: str, tls: bool) -> Targets:
    """Parses the targets in a text: one, as in ``target``, or JSON.

    tls: for targets without a scheme

    Raises ``ValueError`` when the text names none.
    """
    text = text.strip()
    if text.startswith(("{", "[", '"')):
        try:
            return from_object(json.loads(text), tls)
        except (json.JSONDecodeError, RecursionError):
            if not text.startswith("["):  # an IPv6 address begins like a list
                raise ValueError("is neither host:port nor valid JSON") from None
    return (target(text, tls),)


def from_object(value: Any, tls: bool) -> Targets:
    """Converts a value of JSON or Python to targets, to be tried in order.

    value: a text, a pair of host and port, a mapping with ``host`` and ``port``, or a list of these

    Raises ``ValueError`` when it names no target.
    """
    if isinstance(value, list | tuple) and not _is_pair(value):
        if not 1 <= len(value) <= MAX_TARGETS:
            raise ValueError(f"is a list of {len(value)} targets: it should have 1 to {MAX_TARGETS}")
        return tuple(_one(item, tls) for item in value)
    return (_one(value, tls),)


def target(text: str, tls: bool, *, beneath: str | None = None) -> Target:
    """Parses ``host:port``, ``[v6]:port``, ``v6:port``, each perhaps with ``tcp://`` or ``tls://`` in front;
    ``unix:/path`` or ``unix_socket:/path``.

    beneath: a directory in which a Unix socket must be when it is dialled

    Raises ``ValueError`` when it is no target.
    """
    if unix := _UNIX.match(text):
        return _unix(text[unix.end() :], beneath)
    return client_target(text, tls)


def client_target(text: str, tls: bool) -> Target:
    """Like ``target``, but raises ``ValueError`` for Unix sockets, which clients may not name."""
    if scheme := _SCHEME.match(text):
        tls = scheme[1] == "tls"
        text = text[scheme.end() :]
    host_text, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError("has no port: a target is host:port")
    return _tcp(host_text, port_text, tls)


def _is_pair(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is websockify's ``[host, port]`` or ``['unix_socket', path]``, and no list of two targets."""
    if len(value) != 2 or not isinstance(value[0], str):
        return False
    return _is_port(value[1]) or value[0] in ("unix_socket", "unix")


def _is_port(value: object) -> bool:
    if isinstance(value, str):
        return looks_like_port(value.strip())
    return isinstance(value, int) and not isinstance(value, bool)


def _one(value: Any, tls: bool) -> Target:
    if isinstance(value, str):
        return target(value.strip(), tls)
    if isinstance(value, Mapping):
        return _mapping(value, tls)
    if isinstance(value, list | tuple) and _is_pair(value):
        return _pair(value[0], value[1], tls)
    raise ValueError("is no target: it should be host:port, or have a host and a port")


def _mapping(value: Mapping[Any, Any], tls: bool) -> Target:
    if isinstance(path := value.get("unix_socket"), str):
        return _unix(path)
    name, port = value.get("host"), value.get("port")
    if not isinstance(name, str):
        raise ValueError("has no host")
    if port is None:
        return target(name.strip(), tls)
    return _pair(name, port, tls)


def _pair(name: str, port: object, tls: bool) -> Target:
    if name in ("unix_socket", "unix") and isinstance(port, str):
        return _unix(port.strip())
    if not _is_port(port):
        raise ValueError("has a port that is no number")
    return _tcp(name.strip(), str(port).strip(), tls)


def _tcp(host_text: str, port_text: str, tls: bool) -> Target:
    try:
        port = port_number(port_text)
    except TextError:
        raise ValueError("has no port from 1 to 65535") from None
    try:
        return Target(TcpAddress(host(host_text), port), tls)
    except TextError as error:
        raise ValueError(f"has a host that {error.problem}") from None


def _unix(text: str, beneath: str | None = None) -> Target:
    try:
        return Target(UnixAddress(unix_path(text), beneath))
    except TextError as error:
        raise ValueError(f"has a Unix socket that {error.problem}") from None
