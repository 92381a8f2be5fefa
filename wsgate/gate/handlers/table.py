"""The handlers by the kind of route. A new kind needs a row here and a file beside this one."""

from __future__ import annotations

from wsgate.gate.exchange import Handler
from wsgate.gate.handlers import files, forward, redirect, relay, respond, state, tunnel
from wsgate.settings.model import Action, Files, PlainHttp, Redirect, Relay, Respond, State, Tunnel
from wsgate.site.route import LiveRoute

_FORWARD = PlainHttp.FORWARD  # before Python 3.12 looking up a member costs as much as a call

HANDLERS: dict[type[Action], Handler] = {
    Relay: relay.HANDLER,
    Tunnel: tunnel.HANDLER,
    Files: files.HANDLER,
    Respond: respond.HANDLER,
    Redirect: redirect.HANDLER,
    State: state.HANDLER,
}


def handler_of(route: LiveRoute) -> Handler:
    """Returns the handler of a route."""
    return HANDLERS[type(route.settings.action)]


def forwards_http(route: LiveRoute) -> bool:
    """Whether the route's backends also get requests that ask for no WebSocket; ``forward`` handles these."""
    return route.settings.http is _FORWARD


def handler_for(route: LiveRoute, *, upgrade: bool) -> Handler:
    """Returns the handler of a request. ``upgrade``: whether it asks for a WebSocket."""
    return forward.HANDLER if not upgrade and forwards_http(route) else handler_of(route)
