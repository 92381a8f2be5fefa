"""Values of the configuration about access: who may use a route, and which targets a client may reach.

Every parser takes the text of one value and returns the model's value. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import ipaddress
import re

from wsgate.settings.addresses import bind_address, host_pattern, network
from wsgate.settings.model import (
    ANY_ORIGIN,
    SAME_HOST,
    Address,
    CredentialPlace,
    CredentialPlaceKind,
    EntryPoint,
    HashKey,
    HttpUrl,
    Place,
    PlaceKind,
    TargetRule,
    TcpAddress,
    TokenUrl,
    UnixAddress,
)
from wsgate.settings.names import file_path
from wsgate.text.address import host_and_port
from wsgate.text.credential_place import kind_and_name
from wsgate.text.entry_point import module_and_name
from wsgate.text.error import TextError, quote
from wsgate.text.field import field_name, field_value
from wsgate.text.htpasswd import split
from wsgate.text.origin import origin, origin_pattern
from wsgate.text.port import port_number
from wsgate.text.token import is_token
from wsgate.text.url import is_path, is_query

_PARAMETER = re.compile(r"[^&=#\s]+")
_PLACES = "query:NAME, header:NAME, cookie:NAME, host or path"


def place(text: str) -> Place:
    """Parses ``query:NAME``, ``header:NAME``, ``cookie:NAME``, ``host`` or ``path``."""
    kind, colon, name = text.partition(":")
    if kind in ("host", "path"):
        if colon:
            raise TextError(f"{quote(text)}: {kind} has no name: write {kind} alone")
        return Place(PlaceKind(kind))
    if kind not in ("query", "header", "cookie"):
        raise TextError(f"{quote(text)} is no place in a request: write {_PLACES}")
    # RFC 9110 §5.1: the names of header fields are tokens, and RFC 6265 §4.1.1: those of cookies
    if not (_PARAMETER.fullmatch(name) if kind == "query" else is_token(name)):
        what = "parameter" if kind == "query" else kind
        raise TextError(f"{quote(text)} has no {what}'s name behind the colon: write {kind}:token, for example")
    return Place(PlaceKind(kind), name.lower() if kind == "header" else name)


def credential_place(text: str) -> CredentialPlace:
    """Parses ``header:NAME``, ``query:NAME``, ``cookie:NAME`` or ``subprotocol:PREFIX``."""
    kind, name = kind_and_name(text)
    return CredentialPlace(CredentialPlaceKind(kind), name)


def hash_key(text: str) -> HashKey:
    """Parses ``address``, or a place in a request."""
    if text == "address":
        return HashKey(None)
    if text in ("ip", "client_ip", "source", "remote_addr", "client", "binary_remote_addr"):
        raise TextError(f"{quote(text)} is written address here")
    return HashKey(place(text))


_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
_IP_LIKE = re.compile(r"[0-9.]+(/.*)?")


def target_rule(text: str) -> TargetRule:
    """Parses a network, an address, a host pattern or ``*``, each perhaps with ``:port`` or ``:first-last`` behind it,
    or ``unix:/directory/``."""
    if text == "unix" or text.startswith("unix:"):
        return TargetRule(_below(text))
    if "://" in text:
        raise TextError(f"{quote(text)} has a scheme: leave it out, write 10.0.0.0/8:5900 or *.example.com:22")
    if text.startswith("["):
        brackets = _BRACKETS.fullmatch(text)
        if brackets is None or ":" not in brackets[1]:
            raise TextError(f"{quote(text)} is not an IPv6 network with ports: write '[fd00::/8]:5900'")
        what, ports = brackets[1], brackets[2]
    elif text.count(":") > 1:
        what, ports = text, None
    else:
        what, colon, rest = text.partition(":")
        ports = rest if colon else None
    first, last = (1, 65535) if ports is None else _ports(ports)
    if what == "*":
        return TargetRule(None, first, last)
    if ":" in what or "/" in what or _IP_LIKE.fullmatch(what):
        return TargetRule(network(what).ip, first, last)
    return TargetRule(host_pattern(what), first, last)


def show_target_rule(rule: TargetRule) -> str:
    """The inverse of ``target_rule``."""
    what = rule.what
    if isinstance(what, UnixAddress):
        return str(what)
    text = "*" if what is None else str(what)
    if isinstance(what, ipaddress.IPv4Network | ipaddress.IPv6Network) and what.num_addresses == 1:
        text = str(what.network_address)
    if (rule.first, rule.last) == (1, 65535):
        return text
    text = f"[{text}]" if ":" in text else text
    return f"{text}:{rule.first}" if rule.first == rule.last else f"{text}:{rule.first}-{rule.last}"


def _ports(text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise TextError(f"{quote(text)} is neither a port nor a range of ports: write 5900 or 5900-5999")
    first = port_number(found[1])
    last = port_number(found[2] or found[1])
    if first > last:
        raise TextError(f"{quote(text)} has its ports the wrong way round: write {last}-{first}")
    return first, last


def _below(text: str) -> UnixAddress:
    path = text.removeprefix("unix:")
    if not re.fullmatch(r"/[^/\0][^\0]*|/", path):
        raise TextError(f"{quote(text)} is not unix: and an absolute path: write unix:/run/vnc/")
    return UnixAddress(path)


def entry_point(text: str) -> EntryPoint:
    """Parses ``package.module:name``."""
    return EntryPoint(*module_and_name(text))


_URL = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(#.*)?")
_HOLE = "{token}"


def token_url(text: str) -> TokenUrl:
    """Parses ``http://host[:port]/path?query`` or ``https://``, with ``{token}`` in path or query."""
    parts = _parts_of_url(text, f"http://host:port/path/{_HOLE}, or https://")
    target = parts[2]
    if _HOLE not in target:
        if "%s" in target:
            raise TextError(f"{quote(text)} has %s: write {_HOLE} in its place")
        raise TextError(f"{quote(text)} does not say where the token goes: write {_HOLE} into its path or query")
    url = _url(text, *parts, target.replace(_HOLE, ""))
    return TokenUrl(url.tls, url.address, target)


def http_url(text: str) -> HttpUrl:
    """Parses ``http://host[:port]/path?query`` or ``https://``."""
    parts = _parts_of_url(text, "http://host:port/path, or https://")
    return _url(text, *parts, parts[2])


def key_set(text: str) -> str | HttpUrl:
    """Parses the path of a file, or a URL ``https://host[:port]/path?query`` or ``http://``."""
    if "://" not in text:
        return file_path(text)
    return http_url(text)


def _parts_of_url(text: str, expected: str) -> tuple[bool, str, str]:
    """Returns whether it has TLS, host and port, and path and query."""
    found = _URL.fullmatch(text)
    if found is None:
        raise TextError(f"{quote(text)} is no URL: write {expected}")
    scheme, authority, path, query, fragment = found.groups()
    if "@" in authority:
        raise TextError("this URL cannot hold a user or password: remove all up to '@'")
    if fragment:
        raise TextError(f"{quote(text)} has a fragment, which is never sent: remove it from '#' on")
    return scheme == "https", authority, (path or "/") + (query or "")


def _url(text: str, tls: bool, authority: str, target: str, checked: str) -> HttpUrl:
    """Makes a URL of its parts. ``checked``: the target without what stands for something else"""
    path, _, query = checked.partition("?")
    if not is_path(path) or not is_query(query):
        raise TextError(f"{quote(text)}: percent-encode what is not a letter, digit or one of -._~/?&=")
    host, port = host_and_port(authority)
    number = (443 if tls else 80) if port is None else port_number(port)
    return HttpUrl(tls, TcpAddress(host, number), target)


def service_address(text: str) -> Address:
    """Parses ``host:port`` or ``unix:/path``."""
    if text.startswith("unix:"):
        return bind_address(text)
    if "://" in text:
        raise TextError(f"{quote(text)} has a scheme: leave it out, write host:port or unix:/path")
    if re.fullmatch(r"\*?:?[0-9]{1,5}", text):
        raise TextError(f"{quote(text)} names no host: write 127.0.0.1:{text.lstrip('*:')}")
    host, port = host_and_port(text)
    if port is None:
        raise TextError(f"{quote(text)} has no port: write {text}:6379")
    return TcpAddress(host, port_number(port))


_ORIGIN_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "all"), f"{ANY_ORIGIN}, which lets every page in"),
    **dict.fromkeys(("false", "no", "off", "none"), f"{ANY_ORIGIN} to let every page in, or {SAME_HOST}"),
    **dict.fromkeys(("self", "same_host", "samehost", "same-origin", "same_origin"), SAME_HOST),
}


def origin_field(text: str) -> str:
    """Parses ``keep``, ``remove``, or the origin that backends are told."""
    if text in ("keep", "remove"):
        return text
    if text in (SAME_HOST, ANY_ORIGIN, "backend", "*"):
        raise TextError(f"{quote(text)} is no origin: write keep, remove, or one like https://app.example.com")
    return web_origin(text)


def web_origin(text: str) -> str:
    """Parses an origin, ``scheme://host[:port]``, to its normal form (RFC 6454 §6.2): lower case, without the scheme's
    default port.

    Also accepts a pattern with a ``*``, ``null``, which sandboxed pages and some from files send, ``same-host`` and
    ``any``.
    """
    if text in ("null", SAME_HOST, ANY_ORIGIN):
        return text
    if text == "*":
        raise TextError(f"'*': write {ANY_ORIGIN}, which lets every page in")
    if "*" in text:
        try:
            return origin_pattern(text)
        except TextError:
            cure = f"write one like https://*.example.com, or {ANY_ORIGIN} to let every page in"
            raise TextError(
                f"{quote(text)}: * stands for the first labels of a host and for nothing else: {cure}"
            ) from None
    if text.startswith(("~", "^", ".")):
        cure = f"write each origin out, or {SAME_HOST} for pages of the host that is asked for"
        raise TextError(f"{quote(text)} is a pattern, which origins do not take: {cure}")
    if word := _ORIGIN_WORDS.get(text.lower().strip("'")):
        raise TextError(f"{quote(text)} is not an origin: write {word}")
    return origin(text)


def credential(text: str) -> str:
    """Checks ``user:hash``, as htpasswd(1) writes it, or ``user:{PLAIN}password``. No message repeats the text."""
    split(text)
    return text


# The fields that the gateway writes itself
_OURS = frozenset(
    {"accept-ranges", "cache-control", "connection", "content-encoding", "content-length", "content-range"}
    | {"content-type", "date", "etag", "keep-alive", "last-modified", "location", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "vary"}
)


def cookie_name(text: str) -> str:
    """Parses the name of a cookie (RFC 6265 §4.1.1), which is a token."""
    if not is_token(text):
        raise TextError(f"{quote(text)} is no cookie's name: write one of letters, digits and -._~, like wsgate_chat")
    return text


def listed_field(text: str) -> str:
    """Parses the name of a field in a list of such. ``*`` has no meaning here."""
    if text == "*":
        raise TextError("'*' is no field: leave the key out for every one, or name them")
    return field_name(text)


def method(text: str) -> str:
    """Parses the method of a request, which is in capitals (RFC 9110 §9.1)."""
    if text == "*":
        raise TextError("'*' is no method: leave the key out for every one, or name them")
    if not re.fullmatch("[A-Z-]+", text):
        cure = f"write {text.upper()}" if re.fullmatch("[A-Za-z-]+", text) else "write one like GET"
        raise TextError(f"{quote(text)} is no method: {cure}")
    return text


def tested_field(text: str) -> str:
    """Parses the name of a field of requests, in lower case."""
    return field_name(text).lower()


def parameter_name(text: str) -> str:
    """Parses the name of a query's parameter, as it is after percent-decoding."""
    if not text or any(ord(char) < 32 for char in text):
        raise TextError(f"{quote(text)} is no parameter's name")
    return text


def header_name(text: str) -> str:
    """Checks the name of a field that the gateway does not write itself."""
    field_name(text)
    if text.lower() in _OURS:
        cure = "use cache_control" if text.lower() == "cache-control" else "remove it"
        raise TextError(f"{text} is written by the gateway itself: {cure}")
    return text


def header_value(text: str) -> str:
    """Checks the value of a field that the gateway adds to its answers."""
    if not text:
        raise TextError("the value is empty: write one, or remove the key")
    return field_value(text)
