"""Which requests a route takes, and what the backend is asked for instead of the request's target."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

from wsgate.settings.model import Match, PathKind, PathPattern
from wsgate.text.paths import normal, path_after
from wsgate.text.regexes import MAX_LENGTH, literal_beginning
from wsgate.wire.http import Refusal

TOO_LONG = Refusal(
    414, "this path is too long here", detail=f"paths of more than {MAX_LENGTH} characters are matched with no regex"
)


class Matcher:
    """What one route takes."""

    __slots__ = ("is_too_long", "takes", "takes_path")

    def __init__(self, match: Match) -> None:
        # (host name, offered subprotocols, whether it asks for a WebSocket) -> whether it takes that, but for the path
        self.takes: Callable[[str, Sequence[bytes], bool], bool] = _compile(match)
        # (path in its normal form) -> whether it takes that
        self.takes_path: Callable[[str], bool] = _compile_path(match.path)
        # (path in its normal form) -> whether that might be the route's, and is too long to tell
        self.is_too_long: Callable[[str], bool] = _too_long(match.path)


def host_name(host: bytes) -> str:
    """The name in a Host field: lower-case, without port, brackets or the root's dot; an IPv6 address in its shortest
    form, or as the IPv4 address that it stands for."""
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
    """All of a match but its path."""
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


def _compile_path(pattern: PathPattern | None) -> Callable[[str], bool]:
    if pattern is None:
        return lambda path: True
    if pattern.kind is PathKind.EXACT:
        # To most servers it is the same with a slash behind it: so it is no way around this route
        return {pattern.text, f"{pattern.text.removesuffix('/')}/"}.__contains__
    if pattern.kind is PathKind.PREFIX:
        return lambda path: path.startswith(pattern.text)
    expression = re.compile(pattern.text)
    return lambda path: len(path) <= MAX_LENGTH and expression.match(path) is not None


def _too_long(pattern: PathPattern | None) -> Callable[[str], bool]:
    """Whether a path might be the pattern's, and is too long to tell."""
    if pattern is None or pattern.kind is not PathKind.REGEX:
        return lambda path: False
    beginning = literal_beginning(pattern.text)
    return lambda path: len(path) > MAX_LENGTH and path.startswith(beginning)


def rewrite(target: bytes, pattern: PathPattern | None, base: str | None) -> bytes:
    """The target that a backend is asked for: ``base`` in place of what ``pattern`` matched; the query is kept.

    Without ``base`` the target goes on as it is. What is behind ``base`` cannot lead out of it: it has no dot segments
    that lead up.
    """
    if base is None:
        return target
    path, question, query = target.partition(b"?")
    if pattern is None or pattern.kind is PathKind.PREFIX:
        behind = path_after(path, "/" if pattern is None else pattern.text)
        path = base.encode()
        if behind:
            path = path.removesuffix(b"/") + b"/" + behind
    elif pattern.kind is PathKind.EXACT:
        path = base.encode()
    else:
        found = re.match(pattern.text, normal(path))
        path = base.encode() + (b"" if found is None else path_after(path, found[0]))
    return path + question + query
