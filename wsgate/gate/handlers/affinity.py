"""The part of a request that chooses its backend, with ``balance: {hash: …}`` or ``{cookie: …}``."""

from __future__ import annotations

from wsgate.gate.exchange import Exchange
from wsgate.gate.request_values import find_value
from wsgate.settings.model import HashKey, Place, PlaceKind


def find_hash_key(key: HashKey, exchange: Exchange) -> bytes:
    """Returns its value; the client's address where the request has none, so that such clients are spread, too."""
    if key.place is not None:
        found = find_value((key.place,), exchange.request, exchange.route.settings)
        if found is not None:
            return found.encode()
    chain = exchange.client.chain
    return chain[0].encode() if chain else b""


def find_cookie(name: str, exchange: Exchange) -> str | None:
    """Returns the value of the client's cookie; ``None`` without one."""
    return find_value((Place(PlaceKind.COOKIE, name),), exchange.request, exchange.route.settings)


def make_cookie(name: str, value: str, exchange: Exchange) -> bytes:
    """Returns the value of a Set-Cookie field: for the browser's session, and for no script (RFC 6265 §4.1)."""
    secure = "; Secure" if exchange.client.scheme == b"https" else ""
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}".encode()
