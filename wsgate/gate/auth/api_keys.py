"""A key that a program was given: in a field, a query, a cookie or as a subprotocol."""

from __future__ import annotations

import trio

from wsgate.gate.auth.guessing import delay, source_of
from wsgate.gate.auth.identity import Identity
from wsgate.gate.auth.places import find_credential
from wsgate.gate.exchange import Exchange
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.site.api_keys import ApiKeys, digest_of
from wsgate.site.hashing import hashing
from wsgate.site.tokens.source import SourceError
from wsgate.wire.http import Refusal

# RFC 9110 §15.5.2: a 401 has a challenge. No scheme for keys is registered, and browsers ask nobody for an unknown one
_CHALLENGE = ((b"WWW-Authenticate", b"ApiKey"),)


async def check_api_key(exchange: Exchange, keys: ApiKeys) -> Identity | Refusal:
    """Checks the key. That takes the handshake timeout at most."""
    key = find_credential(keys.settings.from_, exchange.request)
    if isinstance(key, Refusal):
        return key
    if key is None:
        return Refusal(401, "a key is needed", _CHALLENGE, cause="missing")
    digest = digest_of(key)
    within, name, problem = exchange.route.settings.timeouts.handshake, None, ""
    with trio.move_on_after(within) as scope:
        try:
            name = await keys.name_of(digest)
        except SourceError as error:
            problem = str(error)
    if scope.cancelled_caught:
        problem = f"not within {within:g} s: the disk of {keys.settings.file} may hang"
    if problem:
        return Refusal(503, "keys cannot be checked now: try again", RETRY_AFTER, detail=problem, cause="unavailable")
    if name is not None:
        return Identity(name, entry=digest)
    address = source_of(exchange)
    hashing().was_wrong(address)
    await delay(exchange.gateway, address)
    return Refusal(401, "a key is needed", _CHALLENGE, detail="nobody has this key", cause="wrong")
