"""Signed tokens, sent as Bearer tokens (RFC 6750)."""

from __future__ import annotations

import trio

from wsgate.gate.auth.identity import Identity
from wsgate.gate.auth.places import find_credential
from wsgate.gate.exchange import Exchange
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.site.jwt.valid_token import BadToken, TokenCredential
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal

# RFC 6750 §3: without an error code for who has shown no token, the same for every token that is not valid
_NEEDED: Headers = ((b"WWW-Authenticate", b'Bearer realm="wsgate"'),)
_INVALID: Headers = ((b"WWW-Authenticate", b'Bearer error="invalid_token"'),)


async def check_jwt(exchange: Exchange, tokens: TokenCredential) -> Identity | Refusal:
    """Checks a signed token. That takes the handshake timeout at most, mostly less than a millisecond.

    Wrong ones are not answered late: a signature cannot be guessed, and clients of one address share the delay.
    """
    token = find_credential(tokens.settings.from_, exchange.request)
    if token is None:
        return Refusal(401, "a token is needed", _NEEDED, cause="missing")
    if isinstance(token, Refusal):
        return _invalid(f"{token.reason} {token.detail}", "malformed")
    within = exchange.route.settings.timeouts.handshake
    exchange.gateway.pump.serve_if_due()  # a signature takes up to a millisecond of CPU
    try:
        with trio.fail_after(within):
            found = await tokens.check(token)
    except BadToken as error:
        return _invalid(str(error), "wrong")
    except SourceError as error:
        return _unavailable(str(error))
    except trio.TooSlowError:
        return _unavailable(f"not within {within:g} s: the keys that verify tokens do not come, or their file hangs")
    return Identity(found.user, found.fields, found.expires, entry=found.key)


def _invalid(detail: str, cause: str) -> Refusal:
    return Refusal(401, "the token is not valid", _INVALID, detail=detail, cause=cause)


def _unavailable(detail: str) -> Refusal:
    reason = "tokens cannot be checked now: try again"
    return Refusal(503, reason, RETRY_AFTER, detail=detail, cause="unavailable")
