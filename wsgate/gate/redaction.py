"""Keeps tokens out of the log, where a request may have one in a part that the log shows."""

from __future__ import annotations

import re

from wsgate.events.emit import HIDDEN
from wsgate.gate.request_values import path_for_log
from wsgate.settings.model import PathKind, PlaceKind, Route, Tunnel
from wsgate.site.site import Site
from wsgate.wire.http import Request

# As long as a token, with a digit in it; names of subprotocols have shorter parts, or no digits in long ones
_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_~+/=-]{16,}")
_DIGIT = re.compile(r"[0-9]")


def shown_subprotocol(name: bytes) -> str:
    """Returns the name of a subprotocol for the log.

    Pages that cannot set a field offer their token as a subprotocol, and some servers choose it.
    """
    text = name.decode("latin-1")
    return _LIKE_A_TOKEN.sub(lambda part: HIDDEN if _DIGIT.search(part[0]) else part[0], text)


def has_token_in(place: PlaceKind, route: Route) -> bool:
    """Whether clients of a route may show their token in this place."""
    token = route.action.token if isinstance(route.action, Tunnel) else None
    return token is not None and any(each.kind is place for each in token.from_)


def path_without_route(request: Request, site: Site) -> str:
    """Returns the path of a request that no route takes, for the log.

    A route may take the path with a token in it, and not the rest of the request: its host, for example.
    """
    for route in site.routes:
        pattern = route.settings.match.path
        is_its = pattern is None or (pattern.kind is PathKind.PREFIX and request.path.startswith(pattern.text))
        if is_its and has_token_in(PlaceKind.PATH, route.settings):
            return path_for_log(request, route.settings)
    return request.path
