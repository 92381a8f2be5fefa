"""The second pass: checks that every route can be reached, because the first route that matches gets a request.

A route that is certainly never reached is a fault. Otherwise it is a warning: what a regular expression matches is only
tried with examples, and the order may be intended for some time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from wsgate.settings.draft import Broken, is_whole
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.model import Match, PathKind, PathPattern, PlainAction, PlainHttp, Route
from wsgate.text.regexes import first_characters, literal_beginning

_ANY_PATH = PathPattern(PathKind.PREFIX, "/")
# An expression may be compared with every other route
_CACHED = 4096
_compiled = functools.lru_cache(_CACHED)(re.compile)
_beginning = functools.lru_cache(_CACHED)(literal_beginning)

_BELOW = (
    "",
    "a",
    "0",
    "a/b",
    "index.html",
)  # examples of what follows a prefix; an expression that matches all of them counts as matching everything


def check_order(routes: Sequence[tuple[int, Any]], fault: ReportFault, warn: ReportWarning) -> None:
    """Reports routes that are never reached, or not by all requests that they are meant for."""
    takes_all: int | None = None
    first: dict[Any, int] = {}
    above = _Above()
    for index, route in routes:
        if not isinstance(route.match, Match):
            continue
        criteria = _criteria(route.match)
        if takes_all is not None:
            message = f"never reached: routes[{takes_all}] takes every request; move it to the end"
            fault(f"routes[{index}]", message)
        elif (other := first.setdefault(criteria, index)) != index:
            fault(f"routes[{index}]", f"never reached: routes[{other}] takes the same requests; remove one of them")
        else:
            if criteria == _criteria(Match()):
                takes_all = index
            if is_whole(route.match) and not isinstance(route.action, Broken):
                _warn_of_start(index, route, warn)
                _warn_of_order(index, route, above.candidates(route.match), warn)
                above.add(index, route)


def _criteria(match: Match) -> tuple[Any, ...]:
    """Returns the criteria of a match in a normal form: lists without order, ``/*`` like no path."""
    values = (getattr(match, field.name) for field in fields(match))
    return tuple(
        frozenset(value) if isinstance(value, tuple) else None if value == _ANY_PATH else value for value in values
    )


def _warn_of_start(index: int, route: Route, warn: ReportWarning) -> None:
    pattern = route.match.path
    if pattern is None or pattern.kind is not PathKind.REGEX:
        return
    begin = first_characters(pattern.text)
    if begin is not None and "/" not in begin:
        cure = f"write ~.*{pattern.text}" if not pattern.text.startswith("^") else "begin it with ^/"
        warn(
            f"routes[{index}].match.path",
            f"it takes no path: an expression is matched from the path's start on, which is a slash; {cure}",
        )


class _Above:
    """The routes above the one that is looked at.

    A file may have thousands of routes, so each is compared only with those that can take its hosts and its path.
    """

    def __init__(self) -> None:
        self._by_host_and_path: dict[tuple[str | None, Any], list[tuple[int, Route]]] = {}

    def add(self, index: int, route: Route) -> None:
        for host in route.match.host or (None,):
            for path in _path_keys(route.match.path):
                self._by_host_and_path.setdefault((host, path), []).append((index, route))

    def candidates(self, lower: Match) -> list[tuple[int, Route]]:
        """Returns the routes that may take requests of ``lower``, and maybe others, in the order of the file."""
        found: dict[int, Route] = {}
        for host in _hosts_above(lower.host):
            for path in _paths_above(lower.path):
                found.update(self._by_host_and_path.get((host, path), ()))
        return sorted(found.items(), key=lambda item: item[0])


def _path_keys(path: PathPattern | None) -> Iterator[Any]:
    """Yields under what a route is found by its path: ``None`` if it takes every path."""
    yield None if path == _ANY_PATH else path
    if path is not None and path.kind is PathKind.REGEX:
        yield PathKind.REGEX


def _paths_above(path: PathPattern | None) -> Iterator[Any]:
    """Yields the keys of the routes that ``_takes_path`` may find to take all of these paths."""
    yield None
    if path is None:
        return
    yield path
    beginning = path.text
    if path.kind is PathKind.REGEX:
        beginning = _beginning(path.text)
    else:
        yield PathKind.REGEX
        yield PathPattern(PathKind.EXACT, path.text.removesuffix("/"))
    for at, char in enumerate(beginning, 1):
        if char == "/":
            yield PathPattern(PathKind.PREFIX, beginning[:at])


def _hosts_above(hosts: Sequence[str]) -> Iterator[str | None]:
    """Yields the host patterns that ``_takes_host`` finds to take one of these; ``None`` is a route without any."""
    yield None
    for host in hosts:
        yield host
        name = host.removeprefix("*")
        for at, char in enumerate(name):
            if char == ".":
                yield f"*{name[at:]}"


@dataclass(frozen=True, slots=True)
class _Taken:
    """The hosts or subprotocols of a route that a route above it takes: all of them, or only ``some``."""

    some: tuple[str, ...] = ()


def _warn_of_order(index: int, route: Route, above: Sequence[tuple[int, Route]], warn: ReportWarning) -> None:
    """Warns about the first route above that takes all of its requests, or all for some hosts or subprotocols."""
    for other, upper in above:
        if not _takes_kind(upper, route) or not _asks_no_more(upper.match, route.match):
            continue
        hosts = _taken(upper.match.host, route.match.host, _takes_host)
        subprotocols = _taken(upper.match.subprotocol, route.match.subprotocol, str.__eq__)
        if hosts is None or subprotocols is None or (hosts.some and subprotocols.some):
            continue
        if not _takes_path(upper.match.path, route.match.path):
            continue
        if not hosts.some and not subprotocols.some:
            message = f"never reached: routes[{other}] takes its requests first; move it above that one, or remove it"
        else:
            which = ", ".join(hosts.some or subprotocols.some)
            cure = "move it above that one, or leave them out"
            message = f"not reached for {which}: routes[{other}] takes these first; {cure}"
        warn(f"routes[{index}]", message)
        return


def _takes_kind(upper: Route, lower: Route) -> bool:
    """Whether the upper route takes the kind of requests that the lower one handles."""
    if lower.http is PlainHttp.FORWARD and not isinstance(lower.action, PlainAction):  # it handles both kinds
        return upper.match.websocket in (None, lower.match.websocket)
    return upper.match.websocket in (None, not isinstance(lower.action, PlainAction))


def _asks_no_more(upper: Match, lower: Match) -> bool:
    """Whether the upper match has no condition on fields or query that the lower one has not."""
    return set(upper.header) <= set(lower.header) and set(upper.query) <= set(lower.query)


def _taken(upper: Sequence[str], lower: Sequence[str], takes: Any) -> _Taken | None:
    """Returns which of the lower route's values the upper one takes; ``None`` if it takes none."""
    if not upper:
        return _Taken()
    some = tuple(each for each in lower if any(takes(pattern, each) for pattern in upper))
    return _Taken(() if len(some) == len(lower) else some) if some else None


def _takes_host(pattern: str, host: str) -> bool:
    return pattern == host or (pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:]))


def _takes_path(upper: PathPattern | None, lower: PathPattern | None) -> bool:
    """Whether the upper pattern matches every path of the lower one; for regular expressions as far as can be told."""
    if upper is None or upper in (_ANY_PATH, lower):
        return True
    if lower is None or upper.kind is PathKind.EXACT:
        return lower is not None and lower.kind is PathKind.EXACT and f"{upper.text}/" == lower.text
    if upper.kind is PathKind.PREFIX:
        return (_beginning(lower.text) if lower.kind is PathKind.REGEX else lower.text).startswith(upper.text)
    if lower.kind is PathKind.REGEX:
        return False
    behind = _BELOW if lower.kind is PathKind.PREFIX else ("",)
    expression = _compiled(upper.text)
    return all(expression.match(lower.text + each) for each in behind)
