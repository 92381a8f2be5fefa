"""Finds the targets of a tunnel: in the configuration, by the client's token, or as the client names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.gate.request_values import find_value
from wsgate.settings.model import ClientTarget, Scheme, Target, Token, Tunnel
from wsgate.site.route import LiveRoute
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.values import client_target
from wsgate.wire.http import Refusal, Request


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of a request, to be tried in order.

    token: the client's token with its source; ``None`` without one
    """

    targets: Sequence[Target]
    token: tuple[Lookups, str] | None = None

    def hide(self, text: str) -> str:
        """Returns a text for the log without the token, which may be the name of a Unix socket."""
        if self.token is None:
            return text
        lookups, token = self.token
        for target in self.targets:
            text = lookups.hide(text, target, token)
        return text


async def find_targets(route: LiveRoute, tunnel: Tunnel, request: Request) -> Targets | Refusal:
    """Returns the targets of a request. A token source has its own deadline."""
    if tunnel.token is not None:
        return await _look_up(route, tunnel.token, request)
    if tunnel.target is not None:
        return _named(route, tunnel.target, request)
    return Targets(tunnel.to)


async def _look_up(route: LiveRoute, settings: Token, request: Request) -> Targets | Refusal:
    assert route.lookups is not None
    token = find_value(settings.from_, request, route.settings)
    found = await route.lookups.targets(token)
    if isinstance(found, Refusal):
        return found
    assert token is not None
    return Targets(found, (route.lookups, token))


def _named(route: LiveRoute, settings: ClientTarget, request: Request) -> Targets | Refusal:
    named = find_value(settings.from_, request, route.settings)
    if named is None:
        places = ", ".join(map(str, settings.from_))
        return Refusal(400, "the request names no target", detail=f"it should be in {places}")
    try:
        return Targets((client_target(named, settings.scheme is Scheme.TLS),))
    except ValueError as error:
        return Refusal(400, f"the target that the request names {error}")
