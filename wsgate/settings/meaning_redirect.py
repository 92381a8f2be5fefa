"""The second pass: finds redirects that lead to themselves, by following one for an example of their requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wsgate.settings.draft import is_whole
from wsgate.settings.faults import ReportFault, ReportWarning
from wsgate.settings.groups import check_names
from wsgate.settings.model import Match, PathKind, PathPattern, Redirect, Route, Tls
from wsgate.text.paths import normal
from wsgate.text.regexes import literal_beginning
from wsgate.text.template import group, split

_TARGET = re.compile(r"(?:(https?)://(\{host\}|[^/?#{}]*)(?=[/?#{]|$))?([^?#]*)", re.IGNORECASE)
_BEHIND = ("", "a", "0", "a/b", "index.html")  # examples of what an expression matches behind its beginning
_NAMES = ("host", "path", "rest", "query")
_MOST = 10  # redirects in a row; browsers follow some more


def check_redirects(
    listeners: Sequence[tuple[int, Any]], routes: Sequence[tuple[int, Any]], fault: ReportFault, warn: ReportWarning
) -> None:
    """Reports names in braces that stand for nothing, and warns about routes whose redirect is taken by the same route
    again, at once or after others."""
    schemes = {"https" if isinstance(listener.tls, Tls) else "http" for _, listener in listeners}
    whole = [(index, route) for index, route in routes if is_whole(route.match) and is_whole(route.action)]
    for index, route in whole:
        if not isinstance(route.action, Redirect):
            continue
        if not check_names(route.action.to, route.match.path, _NAMES, f"routes[{index}].redirect.to", fault):
            continue
        cure = _cure(route.action.to)
        begin = path = _example(route.match.path)
        way: list[str] = []
        found: Route | None = route
        while found is not None and path is not None and len(way) < _MOST:
            path = _leads_to(found, path, schemes)
            found = None if path is None else _taken_by(path, route, [each for _, each in whole])
            way.append(str(path))
            if found is route:
                message = (
                    f"it leads to itself: {begin} is sent to {', then to '.join(way)}, which this route takes again"
                )
                warn(f"routes[{index}].redirect.to", f"{message}: {cure}")
                break


def _cure(to: str) -> str:
    if to.lower().startswith("https://{host}"):
        return "if it is for clients of http, write redirect: https on the plain listener instead"
    return "write another target, or a match that does not take it"


def _example(pattern: PathPattern | None) -> str | None:
    """Returns a path that the pattern matches; ``None`` if none is known."""
    if pattern is None:
        return "/x"
    if pattern.kind is PathKind.EXACT:
        return pattern.text
    if pattern.kind is PathKind.PREFIX:
        return f"{pattern.text}x"
    paths = (literal_beginning(pattern.text) + behind for behind in _BEHIND)
    return next((path for path in paths if path.startswith("/") and _matches(pattern, path)), None)


def _leads_to(route: Route, path: str, schemes: set[str]) -> str | None:
    """Returns the path that a request is sent to; ``None`` if it leads to another host, or another query decides."""
    assert isinstance(route.action, Redirect)
    to, pattern = route.action.to, route.match.path
    if route.match.query and "{query}" not in to:
        return None
    found = _TARGET.match(to)
    assert found is not None  # every part may be empty
    scheme, host, target = found.groups()
    if scheme is not None and (scheme.lower() not in schemes or not _is_own(host, route.match)):
        return None
    below = pattern.text if pattern is not None and pattern.kind is PathKind.PREFIX else "/"
    match = re.match(pattern.text, path) if pattern is not None and pattern.kind is PathKind.REGEX else None
    known = {"host": "", "path": path, "rest": path.removeprefix(below), "query": ""}
    filled = "".join(
        part if number % 2 == 0 else known[part] if match is None or part in known else group(match, part)
        for number, part in enumerate(split(target))
    )
    return normal(f"/{filled.lstrip('/')}".encode())


def _is_own(host: str, match: Match) -> bool:
    return host == "{host}" or any(
        host.endswith(own[1:]) if own.startswith("*.") else host == own for own in match.host
    )


def _taken_by(path: str, start: Route, routes: Sequence[Route]) -> Route | None:
    """Returns the route that the same client comes to with another path; ``None`` if that is not certain."""
    for route in routes:
        if route.match.websocket is True or not _matches(route.match.path, path):
            continue
        same = [(each.host, each.header, each.query) for each in (route.match, start.match)]
        is_certain = route is start or (same[0] in (same[1], ((), (), ())) and not route.match.subprotocol)
        return route if is_certain and isinstance(route.action, Redirect) else None
    return None


def _matches(pattern: PathPattern | None, path: str) -> bool:
    if pattern is None:
        return True
    if pattern.kind is PathKind.EXACT:
        return path.removesuffix("/") == pattern.text.removesuffix("/")
    if pattern.kind is PathKind.PREFIX:
        return path.startswith(pattern.text)
    return re.match(pattern.text, path) is not None
