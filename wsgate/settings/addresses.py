"""Hosts, addresses and URLs in the configuration.

Every parser takes the text of one value and returns the model's value. It raises ``TextError`` when the text is wrong.
Names are returned in lower case and IP addresses in their shortest form, so that equal addresses compare equal.
"""

from __future__ import annotations

import ipaddress
import re

from wsgate.settings.model import (
    SCHEMES_PORT,
    Address,
    Network,
    Target,
    TcpAddress,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.text.address import host_and_port, unix_path
from wsgate.text.error import TextError, quote
from wsgate.text.host import ipv6, is_ip
from wsgate.text.port import looks_like_port, port_number
from wsgate.text.url import is_path

_HOST_AND_PORT = re.compile(r"[A-Za-z0-9._-]+:[0-9]{1,5}")
_PREFIX = re.compile(r"[0-9]{1,3}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def bind_address(text: str) -> Address:
    """Parses ``host[:port]``, ``[v6][:port]`` (port 0: the kernel chooses one) or ``unix:/path``."""
    if text.startswith("unix:"):
        return _unix(text)
    if scheme := _SCHEME.match(text):
        raise TextError(f"{quote(text)} has a scheme: leave {scheme[0]} out, write host:port")
    if port_alone := re.fullmatch(r"\*?(:[0-9]{1,5})", text):
        port = port_alone[1]
        raise TextError(f"{quote(text)} names no address: write 0.0.0.0{port} or '[::]{port}' for all of them")
    if looks_like_port(text):
        raise TextError(f"{quote(text)} is a port alone: write 127.0.0.1:{text} or 0.0.0.0:{text}")
    if text.startswith("/"):
        raise TextError(f"{quote(text)} is a path: for a Unix socket write unix:{text}")
    if text == "*":
        raise TextError("'*' names no address: write 0.0.0.0 or '[::]' for all of them")
    if ports := re.fullmatch(r"[0-9]{1,5}:([0-9]{1,5})", text):
        raise TextError(f"{quote(text)} are two ports, as a container has them: write 0.0.0.0:{ports[1]}")
    if text.count(":") > 1 and "[" not in text:
        raise TextError(f"{quote(text)} is IPv6 without brackets: write {_in_brackets(text)}")
    host, port_text = host_and_port(text)
    return TcpAddress(host, SCHEMES_PORT if port_text is None else port_number(port_text, lowest=0))


def tunnel_target(text: str) -> Target:
    """Parses ``tcp://host:port``, ``tls://host:port`` or ``unix:/path``."""
    if text.startswith("unix:"):
        return Target(_unix(text))
    scheme = _SCHEME.match(text)
    if scheme is None:
        cure = _with_scheme(text, "tcp") or "tcp://host:port, tls://host:port or unix:/path"
        raise TextError(f"{quote(text)} has no scheme: write {cure}")
    if scheme[1] in ("ws", "wss"):
        raise TextError(f"{quote(text)} is a WebSocket: put it under relay, a tunnel leads to tcp://host:port")
    if scheme[1] not in ("tcp", "tls"):
        raise TextError(f"unknown scheme {quote(scheme[0])}: write tcp://host:port, tls://host:port or unix:/path")
    authority = text[scheme.end() :]
    if "@" in authority:
        raise TextError("a target cannot hold a user or password: remove all up to '@'")
    if any(char in authority for char in "/?#"):
        raise TextError(f"{quote(text)} has more than a host and a port: write {scheme[0]}host:port")
    host, port_text = host_and_port(authority)
    if port_text is None:
        raise TextError(f"{quote(text)} has no port: write {text}:5900")
    return Target(TcpAddress(host, port_number(port_text)), tls=scheme[1] == "tls")


def backend_url(text: str) -> WebSocketUrl:
    """Parses ``ws://host[:port][/path]`` or ``wss://``, whose default port is 80 or 443 (RFC 6455 §3), or
    ``unix:/socket[:/path]``."""
    if text.startswith("unix:"):
        return _unix_backend(text)
    scheme = _SCHEME.match(text)
    if scheme is None:
        cure = _with_scheme(text, "ws") or "ws://host:port or wss://host:port"
        raise TextError(f"{quote(text)} has no scheme: write {cure}")
    if scheme[1] in ("tcp", "tls"):
        raise TextError(f"{quote(text)} is not a WebSocket: put it under tunnel, a relay leads to ws://host:port")
    if scheme[1] not in ("ws", "wss"):
        known = {"http": "ws", "https": "wss"}.get(scheme[1].lower())
        cure = f"{known}://{text[scheme.end() :]}" if known and "@" not in text else "ws://host:port or wss://host:port"
        raise TextError(f"unknown scheme {quote(scheme[0])}: write {cure}")
    if "@" in re.split("[/?#]", text[scheme.end() :], maxsplit=1)[0]:
        raise TextError("a backend URL cannot hold a user or password: remove all up to '@'")
    if "#" in text:
        raise TextError(f"{quote(text)} has a fragment, which a WebSocket URL cannot have: remove it from '#' on")
    if "?" in text:
        raise TextError(f"{quote(text)} has a query: remove it from '?' on, the query of each request is kept")
    authority, slash, rest = text[scheme.end() :].partition("/")
    path = slash + rest
    if path and not is_path(path):
        raise TextError(f"{quote(path)} is not a URL path: percent-encode what is not a letter, digit or one of -._~/")
    host, port_text = host_and_port(authority)
    tls = scheme[1] == "wss"
    port = (443 if tls else 80) if port_text is None else port_number(port_text)
    return WebSocketUrl(TcpAddress(host, port), path or None, tls)


_COLLECTOR = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?")
_SIGNAL = "/v1/traces"  # the path of OTLP over HTTP for spans


def collector_url(text: str) -> str:
    """Parses ``http://host[:port][/path]`` or ``https://``; without a path it gets OTLP's own."""
    found = _COLLECTOR.fullmatch(text)
    if found is None:
        cure = _with_scheme(text, "http") or "http://host:4318 or https://host:4318"
        raise TextError(f"{quote(text)} is no collector's URL: write {cure}")
    scheme, authority, path = found.groups()
    if "@" in authority:
        raise TextError("a collector's URL cannot hold a user or password: set OTEL_EXPORTER_OTLP_HEADERS instead")
    host, port_text = host_and_port(authority)
    port = None if port_text is None else port_number(port_text)
    if path not in (None, "/") and not is_path(path):
        raise TextError(f"{quote(path)} is not a URL path: percent-encode what is not a letter, digit or one of -._~/")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port is None else f":{port}") + (_SIGNAL if path in (None, "/") else path)


def _unix_backend(text: str) -> WebSocketUrl:
    socket, colon, path = text.removeprefix("unix:").partition(":")
    if colon and not is_path(path):
        raise TextError(f"{quote(path)} is not a URL path: write it like unix:/run/app.sock:/path")
    return WebSocketUrl(UnixAddress(unix_path(socket)), path or None)


def network(text: str) -> Network:
    """Parses ``10.0.0.0/8``, a single address, or ``unix`` for clients over a Unix socket."""
    if text in ("unix", "unix:"):
        return Network(None)
    address, slash, prefix = text.partition("/")
    if not is_ip(address):
        raise TextError(f"{quote(text)} is not a network: write one like 10.0.0.0/8, an address, or unix")
    if "%" in address:
        raise TextError(f"{quote(text)} has a zone: only addresses without one can be used")
    try:
        if slash and not _PREFIX.fullmatch(prefix):  # ipaddress would also accept netmasks
            raise ValueError
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise TextError(f"{quote(text)}: what is behind the slash is not a number of bits like /8") from None
    if slash and str(loose.network_address) != str(ipaddress.ip_address(address)):
        raise TextError(f"{quote(text)} has bits set behind its /{loose.prefixlen}: write {loose}, or {address}")
    if isinstance(loose, ipaddress.IPv6Network) and loose.network_address.ipv4_mapped is not None:
        raise TextError(f"{quote(text)} is IPv4 in IPv6's clothes, which no client has here: write it as IPv4")
    return Network(loose)


def host_name(text: str) -> str:
    """Parses a name or an IP address as certificates have them."""
    if scheme := _SCHEME.match(text):
        raise TextError(f"{quote(text)} has a scheme: leave {scheme[0]} out, write the name alone")
    if text.count(":") > 1 and not text.startswith("["):
        return ipv6(text)
    host, port = host_and_port(text)
    if port is not None:
        raise TextError(f"{quote(text)} has a port: write the name alone")
    return host.removesuffix(".")


def host_field(text: str) -> str:
    """Parses ``keep``, ``backend``, or the value of a Host field: a host with or without a port."""
    if text in ("keep", "backend"):
        return text
    if scheme := _SCHEME.match(text):
        raise TextError(f"{quote(text)} has a scheme: leave {scheme[0]} out, write the host alone")
    if text.count(":") > 1 and not text.startswith("["):
        return f"[{ipv6(text)}]"
    host, port = host_and_port(text)
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port_number(port, lowest=1)}"


def host_pattern(text: str) -> str:
    """Parses ``example.com``, ``*.example.com``, or an IP address; returns IPv6 without brackets."""
    if scheme := _SCHEME.match(text):
        raise TextError(f"{quote(text)} has a scheme: leave {scheme[0]} out, write the host alone")
    if text == "*":
        raise TextError("'*' alone is not a host: leave the key out to take every host")
    if re.fullmatch(r"\.[A-Za-z0-9.-]+", text):
        raise TextError(
            f"{quote(text)} begins with a dot: write '*{text}', and for the host itself {text[1:]} beside it"
        )
    if text.startswith(("~", "^")):
        raise TextError(f"{quote(text)} looks like a regular expression, which a host is not: write '*.example.com'")
    if "/" in text:
        raise TextError(f"{quote(text)} has a path: write the host here and the path under path")
    if text.count(":") > 1 and not text.startswith(("[", "*")):
        return ipv6(text)
    wildcard = "*." if text.startswith("*.") else ""
    name = text.removeprefix(wildcard)
    if "*" in name:
        raise TextError(f"{quote(text)}: * stands for the first labels only, like '*.example.com'")
    host, port_text = host_and_port(name)
    if port_text is not None:
        raise TextError(f"{quote(text)} has a port: write the host alone, it is matched on every port")
    if wildcard and is_ip(host):
        raise TextError(f"{quote(text)}: * cannot stand before an IP address")
    if host.endswith("."):
        raise TextError(f"{quote(text)} ends with a dot: remove it")
    return wildcard + host


def _with_scheme(text: str, scheme: str) -> str | None:
    """Returns a target that lacks only its scheme, with ``scheme``; a port alone gets 127.0.0.1. Otherwise ``None``."""
    if looks_like_port(text):
        return f"{scheme}://127.0.0.1:{text}"
    return f"{scheme}://{text}" if _HOST_AND_PORT.fullmatch(text) else None


def _unix(text: str) -> UnixAddress:
    return UnixAddress(unix_path(text.removeprefix("unix:")))


def _in_brackets(text: str) -> str:
    """Returns how an IPv6 address without brackets was probably meant: a last part that looks like a port is one."""
    host, _, port = text.rpartition(":")
    if looks_like_port(port) and is_ip(host):
        return f"'[{host}]:{port}'"
    return f"'[{text}]', or with a port '[{text}]:8080'" if is_ip(text) else "it like '[::1]:8080'"
