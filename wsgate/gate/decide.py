"""Finds the route for a request, or the reason why there is none: a pure function without I/O."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from wsgate.gate.addresses import DENIED, is_denied
from wsgate.gate.auth.places import offer_without
from wsgate.gate.client import Client
from wsgate.gate.handlers.subprotocols import describe_offer
from wsgate.gate.handlers.table import forwards_http, handler_for, handler_of
from wsgate.gate.redirect import redirection
from wsgate.gate.refusals import DRAINING, RETRY_AFTER, ROUTE_DRAINING
from wsgate.settings.model import Listener, Upgrades
from wsgate.site.listener import LiveListener
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.wire.forwarding import other_protocol
from wsgate.wire.handshake import Upgrade
from wsgate.wire.headers import elements, has_token
from wsgate.wire.http import Refusal, Request

FULL = Refusal(503, "the gateway is full: try again later", RETRY_AFTER, cause="full")
NO_ROUTE = Refusal(404, "no route for this host, path and subprotocol")
NO_WEBSOCKET = Refusal(404, "nothing here speaks WebSocket")
UPGRADE_REQUIRED = Refusal(
    426, "this is a WebSocket endpoint", ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))
)

OTHER_UPGRADE = replace(UPGRADE_REQUIRED, reason="the only upgrade here is to WebSocket")
UNWANTED_BODY = Refusal(400, "request with a body: nothing here takes one")


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, and the route that takes the request, if any."""

    refusal: Refusal
    route: LiveRoute | None = None


def decide(
    site: Site,
    listener: LiveListener,
    client: Client,
    request: Request,
    upgrade: Upgrade | Refusal | None,
    *,
    draining: bool = False,
    full: bool = False,
    drained: Container[str] = (),
) -> LiveRoute | Refused:
    """Returns the route that handles a request, or why there is none.

    An unread body makes request smuggling possible (RFC 9112 §11.2), so only a handler that reads it, or behind whose
    answer the connection ends, gets one.

    upgrade: the result of ``check_upgrade``
    draining, full: the gateway accepts no new session
    drained: names of routes that take nothing new
    """
    if is_denied(client, listener.addresses):  # before anything that would tell what is here
        return Refused(DENIED)
    found = _find(site, listener.settings, client, request, upgrade, draining=draining, full=full, drained=drained)
    if request.length == 0:
        return found
    route = found.route if isinstance(found, Refused) else found
    takes_it = upgrade is None and route is not None and handler_for(route, upgrade=False).takes_bodies
    return found if takes_it else Refused(UNWANTED_BODY, route)


def _find(
    site: Site,
    listener: Listener,
    client: Client,
    request: Request,
    upgrade: Upgrade | Refusal | None,
    *,
    draining: bool,
    full: bool,
    drained: Container[str],
) -> LiveRoute | Refused:
    asks = upgrade is not None
    if listener.tls is None and not asks and (challenge := site.find_challenge(request.host, request.path)) is not None:
        return challenge
    moved = redirection(listener, site.settings.listeners, client, request, upgrade=asks)
    if moved is not None:
        return Refused(moved)
    offered = elements(request.headers, b"sec-websocket-protocol")
    headers, target = request.headers, request.target
    route = site.find(request.host, request.path, offered, websocket=asks, headers=headers, target=target)
    if isinstance(route, Refusal):
        return Refused(route)
    if route is None:
        return Refused(_no_route(site, upgrade))
    if not handler_of(route).upgrades:
        return Refused(NO_WEBSOCKET, route) if asks else route
    if upgrade is None:
        if not forwards_http(route):
            return Refused(UPGRADE_REQUIRED, route)
        # h2c, SPDY and the like: behind such an upgrade nothing would be HTTP/1.1 any more (RFC 9110 §7.8)
        if has_token(request.headers, b"connection", b"upgrade") and not _may_upgrade(route, request):
            return Refused(OTHER_UPGRADE, route)
        return Refused(ROUTE_DRAINING, route) if route.name in drained else route
    if isinstance(upgrade, Refusal):
        return Refused(upgrade, route)
    if draining:
        return Refused(DRAINING, route)
    if route.name in drained:
        return Refused(ROUTE_DRAINING, route)
    if full:
        return Refused(FULL, route)
    return route


def _may_upgrade(route: LiveRoute, request: Request) -> bool:
    """Whether an upgrade to another protocol than WebSocket is passed on."""
    return route.settings.upgrade is Upgrades.ANY and other_protocol(request) is not None


def _no_route(site: Site, upgrade: Upgrade | Refusal | None) -> Refusal:
    known: Sequence[bytes] = ()
    if isinstance(upgrade, Upgrade):
        places = [place for route in site.routes if route.auth is not None for place in route.auth.places]
        known = offer_without(places, upgrade).subprotocols
    return replace(NO_ROUTE, detail=f"offered: {describe_offer(known)}") if known else NO_ROUTE
