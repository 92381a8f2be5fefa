"""Whether a route matches a request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from wsgate.settings.model import Match, PathKind, PathPattern
from wsgate.text.regexes import MAX_LENGTH, literal_beginning
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import Refusal

TOO_LONG = Refusal(
    414, "this path is too long here", detail=f"paths of more than {MAX_LENGTH} characters are matched with no regex"
)


class Matcher:
    """The compiled match of a route."""

    __slots__ = ("conditions", "is_too_long", "takes", "takes_path")

    def __init__(self, match: Match) -> None:
        # (host name, offered subprotocols, whether it is an upgrade) -> whether all but the path matches
        self.takes: Callable[[str, Sequence[bytes], bool], bool] = _compile(match)
        # (header fields, target) -> whether those match, too; ``None``: whatever they are
        self.conditions = _compile_conditions(match) if match.header or match.query else None
        # (path in its normal form) -> whether the path matches
        self.takes_path: Callable[[str], bool] = _compile_path(match.path)
        # (path in its normal form) -> whether the path may match, but is too long to try
        self.is_too_long: Callable[[str], bool] = _too_long(match.path)


def host_name(host: bytes) -> str:
    """Returns the name in a Host field, in lower case, without port, brackets and the dot at the end.

    An IPv6 address is returned in its shortest form, or as the IPv4 address that it stands for.
    """
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return _shortest(text[1:].partition("]")[0])
    return text.partition(":")[0].removesuffix(".")


def _shortest(address: str) -> str:
    try:
        ip = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(ip.ipv4_mapped or ip)


def _compile(match: Match) -> Callable[[str, Sequence[bytes], bool], bool]:
    """Compiles a match without its path."""
    exact_hosts = frozenset(_shortest(host) for host in match.host if not host.startswith("*."))
    suffixes = tuple(host[1:] for host in match.host if host.startswith("*."))
    wanted = frozenset(name.encode() for name in match.subprotocol)

    def matches(host: str, subprotocols: Sequence[bytes], websocket: bool) -> bool:
        if match.websocket is not None and match.websocket is not websocket:
            return False
        if match.host and host not in exact_hosts and not (suffixes and host.endswith(suffixes)):
            return False
        return not wanted or not wanted.isdisjoint(subprotocols)

    return matches


def _compile_conditions(match: Match) -> Callable[[Headers, bytes], bool]:
    """A field that comes several times matches with any of its values."""
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in match.header]

    def matches(headers: Headers, target: bytes) -> bool:
        if not all(value in values(headers, name) for name, value in fields):
            return False
        if not match.query:
            return True
        given = parse_qsl(target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)
        return all(pair in given for pair in match.query)

    return matches


def _compile_path(pattern: PathPattern | None) -> Callable[[str], bool]:
    if pattern is None:
        return lambda path: True
    if pattern.kind is PathKind.EXACT:
        # Also with a slash at the end, which most servers treat as the same: otherwise it would get around this route
        return {pattern.text, f"{pattern.text.removesuffix('/')}/"}.__contains__
    if pattern.kind is PathKind.PREFIX:
        return lambda path: path.startswith(pattern.text)
    expression = re.compile(pattern.text)
    return lambda path: len(path) <= MAX_LENGTH and expression.match(path) is not None


def _too_long(pattern: PathPattern | None) -> Callable[[str], bool]:
    """Returns a function that tells whether a path may match but is too long to try."""
    if pattern is None or pattern.kind is not PathKind.REGEX:
        return lambda path: False
    beginning = literal_beginning(pattern.text)
    return lambda path: len(path) > MAX_LENGTH and path.startswith(beginning)
