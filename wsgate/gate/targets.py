"""Where a tunnel leads: to what the file says, what the client's token is worth, or what the client names itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wsgate.gate import request_values
from wsgate.gate.backend import Backend
from wsgate.gate.gateway import Gateway
from wsgate.settings.model import Place, Route, Scheme, Target, Tunnel
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.values import client_target
from wsgate.wire.http import Refusal, Request

ROUTE_CHANGED = Refusal(503, "this route has just changed: connect again", ((b"Retry-After", b"5"),))


@dataclass(frozen=True, slots=True)
class Way:
    """Targets, tried in order; where a token has led to them, that token and where it is looked up."""

    targets: Sequence[Target]
    token: tuple[Lookups, str] | None = None

    def hide_from_log(self, opened: Backend | Refusal) -> Backend | Refusal:
        """What came of dialling them, without the token: a Unix socket may have it for its name."""
        if self.token is None:
            return opened
        lookups, token = self.token
        for target in self.targets:
            if isinstance(opened, Backend):
                opened = replace(opened, name=lookups.hide(opened.name, target, token))
            else:
                opened = replace(opened, detail=lookups.hide(opened.detail, target, token))
        return opened


async def find_way(gateway: Gateway, route: Route, tunnel: Tunnel, request: Request) -> Way | Refusal:
    """Where a request leads. A source of tokens has its own deadline."""
    if tunnel.token is not None:
        lookups = gateway.lookups.get(route.name)
        if lookups is None:  # a reload has taken the route, or its token, since this request found it
            return ROUTE_CHANGED
        token = request_values.find(tunnel.token.from_, request, route)
        found = await lookups.targets(token)
        if isinstance(found, Refusal):
            return found
        assert token is not None
        return Way(found, (lookups, token))
    if tunnel.target is not None:
        named = request_values.find(tunnel.target.from_, request, route)
        if named is None:
            places = ", ".join(map(str, tunnel.target.from_))
            return Refusal(400, "the request names no target", detail=f"it should be in {places}")
        try:
            return Way((client_target(named, tunnel.target.scheme is Scheme.TLS),))
        except ValueError as error:
            return Refusal(400, f"the target that the request names {error}")
    return Way(tunnel.to)


def path_for_log(route: Route, request: Request) -> str:
    """A request's path without the token that may stand in it."""
    action = route.action
    places: Sequence[Place] = action.token.from_ if isinstance(action, Tunnel) and action.token is not None else ()
    return request_values.path_for_log(places, request, route)
