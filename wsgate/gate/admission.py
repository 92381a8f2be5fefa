"""Checks whether a client may use a route: by its address, by the origin of its page, by its credentials.

All checks that the route has must succeed, in this order. Those of credentials are in ``gate.auth``.
"""

from __future__ import annotations

from wsgate.gate.addresses import DENIED, is_denied
from wsgate.gate.auth.require import check_credentials
from wsgate.gate.exchange import Exchange
from wsgate.gate.origins import check_origin
from wsgate.wire.http import Refusal


async def admit(exchange: Exchange) -> Refusal | None:
    """Returns why the client may not use the route; ``None`` if it may. Sets the exchange's ``admitted``."""
    route, client = exchange.route, exchange.client
    if is_denied(client, route.addresses):
        return DENIED
    if exchange.upgrade is not None:
        refusal = check_origin(route.settings, exchange.request, client)
        if refusal is not None:
            return refusal
    if route.auth is None:
        return None
    found = await check_credentials(exchange, route.auth)
    if isinstance(found, Refusal):
        return found
    exchange.admitted = found
    return None
