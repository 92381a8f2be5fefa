"""The texts and values by which sources name targets, and clients theirs.

``ValueError`` says what is wrong without repeating any of it: what it is about may be next to a token.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from wsgate.settings.model import Target, TcpAddress, UnixAddress

Targets = tuple[Target, ...]

MAX_TARGETS = 16  # that one token may have: each is dialled, one after the other

# RFC 1123 §2.1, and the underscore, which container networks have in their names
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_NAME = 253
# getaddrinfo(3) takes 127.1, 0x7f.1 and 2130706433 for 127.0.0.1: nobody writes that who means well
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z")
_PORT = re.compile(r"[0-9]{1,5}")
_SCHEME = re.compile(r"(tcp|tls)://")
_UNIX = re.compile(r"unix(?:_socket)?:")  # websockify's word and ours
_MAX_UNIX_PATH = 107  # Linux: sun_path has 108 bytes and ends with a zero byte (unix(7))


def targets(text: str, tls: bool) -> Targets:
    """The targets that a text names: one, as in ``target``, or JSON. ``tls`` is for those without a scheme."""
    text = text.strip()
    if text.startswith(("{", "[", '"')):
        try:
            return from_object(json.loads(text), tls)
        except (json.JSONDecodeError, RecursionError):
            if not text.startswith("["):  # an IPv6 address begins like a list
                raise ValueError("is neither host:port nor valid JSON") from None
    return (target(text, tls),)


def from_object(value: Any, tls: bool) -> Targets:
    """The targets that a value of JSON or Python names: a text, a pair of host and port, a mapping with ``host`` and
    ``port``, or a list of these, which are tried in order."""
    if isinstance(value, list | tuple) and not _is_pair(value):
        if not 1 <= len(value) <= MAX_TARGETS:
            raise ValueError(f"is a list of {len(value)} targets: it should have 1 to {MAX_TARGETS}")
        return tuple(_one(item, tls) for item in value)
    return (_one(value, tls),)


def target(text: str, tls: bool, *, beneath: str | None = None) -> Target:
    """``host:port``, ``[v6]:port``, ``v6:port``, any of these behind ``tcp://`` or ``tls://``; ``unix:/path``, or
    ``unix_socket:/path``, which has to lie ``beneath`` a directory, if one is given, when it is dialled."""
    if unix := _UNIX.match(text):
        return _unix(text[unix.end() :], beneath)
    return client_target(text, tls)


def client_target(text: str, tls: bool) -> Target:
    """As ``target``, without Unix sockets: those are no client's to name."""
    if scheme := _SCHEME.match(text):
        tls = scheme[1] == "tls"
        text = text[scheme.end() :]
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("has no port: a target is host:port")
    return _tcp(host, port, tls)


def _is_pair(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether this is websockify's ``[host, port]`` or ``['unix_socket', path]``, not a list of two targets."""
    if len(value) != 2 or not isinstance(value[0], str):
        return False
    return _is_port(value[1]) or value[0] in ("unix_socket", "unix")


def _is_port(value: object) -> bool:
    if isinstance(value, str):
        return _PORT.fullmatch(value.strip()) is not None
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
    host, port = value.get("host"), value.get("port")
    if not isinstance(host, str):
        raise ValueError("has no host")
    if port is None:
        return target(host.strip(), tls)
    return _pair(host, port, tls)


def _pair(host: str, port: object, tls: bool) -> Target:
    if host in ("unix_socket", "unix") and isinstance(port, str):
        return _unix(port.strip())
    if not _is_port(port):
        raise ValueError("has a port that is no number")
    return _tcp(host.strip(), str(port).strip(), tls)


def _tcp(host: str, port: str, tls: bool) -> Target:
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError("has no port from 1 to 65535")
    return Target(TcpAddress(_host(host), int(port)), tls)


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or bare is not text:
        try:
            if "%" in bare:  # a zone, which ipaddress takes, depends on this machine's interfaces
                raise ValueError
            return str(ipaddress.IPv6Address(bare))
        except ValueError:
            raise ValueError("has a host that is no IPv6 address") from None
    if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError("has a host that is no name")
    if _NUMBER.match(text, text.removesuffix(".").rfind(".") + 1):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError("has a host that is no IPv4 address") from None
    return text.lower()


def _unix(path: str, beneath: str | None = None) -> Target:
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError("has no absolute path of a Unix socket")
    if len(os.fsencode(path)) > _MAX_UNIX_PATH:
        raise ValueError(f"has a path that is longer than a Unix socket's {_MAX_UNIX_PATH} bytes")
    return Target(UnixAddress(path, beneath))
