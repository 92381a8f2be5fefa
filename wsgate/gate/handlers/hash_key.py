"""The part of a request that chooses its backend, where the route says ``balance: {hash: …}``."""

from __future__ import annotations

from wsgate.gate.exchange import Exchange
from wsgate.gate.request_values import find_value
from wsgate.settings.model import HashKey


def find_hash_key(key: HashKey, exchange: Exchange) -> bytes:
    """Returns its value; the client's address where the request has none, so that such clients are spread, too."""
    if key.place is not None:
        found = find_value((key.place,), exchange.request, exchange.route.settings)
        if found is not None:
            return found.encode()
    chain = exchange.client.chain
    return chain[0].encode() if chain else b""
