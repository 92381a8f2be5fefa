"""User and password by HTTP Basic authentication (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import re

import trio

from wsgate.gate.auth.guessing import busy_refusal, delay, source_of
from wsgate.gate.auth.identity import Identity
from wsgate.gate.exchange import Exchange
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.site.hashing import Busy, hashing
from wsgate.site.passwords import Users
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import Refusal

_NEEDED = "user and password are needed"
_CANNOT = "passwords cannot be checked now: try again"


async def check_basic(exchange: Exchange, users: Users) -> Identity | Refusal:
    """Checks user and password. That takes the handshake timeout at most."""
    challenge = _challenge(users.settings.realm)
    sent = values(exchange.request.headers, b"authorization")
    if not sent:
        return Refusal(401, _NEEDED, challenge, cause="missing")
    credentials = _credentials(sent)
    if credentials is None:
        detail = "Authorization is not of the kind Basic, or malformed"
        return Refusal(401, _NEEDED, challenge, detail=detail, cause="malformed")
    within, address = exchange.route.settings.timeouts.handshake, source_of(exchange)
    known, busy = None, False
    try:
        with trio.move_on_after(within):
            known = await users.knows(*credentials, address)
    except SourceError as error:
        return Refusal(503, _CANNOT, RETRY_AFTER, detail=str(error), cause="unavailable")
    except Busy:
        busy = True
    if known:
        return Identity(credentials[0], entry=credentials[0])
    if known is not None:
        hashing().was_wrong(address)
    busy = await delay(exchange.gateway, address) or busy
    if known is None and busy:
        return busy_refusal("passwords")
    if known is None:
        detail = f"not within {within:g} s: too many passwords to check, or their file hangs"
        return Refusal(503, _CANNOT, RETRY_AFTER, detail=detail, cause="unavailable")
    return Refusal(401, _NEEDED, challenge, detail="wrong user or password", cause="wrong")


def _challenge(realm: str) -> Headers:
    quoted = re.sub(r'(["\\])', r"\\\1", realm).encode("utf-8")
    return ((b"WWW-Authenticate", b'Basic realm="' + quoted + b'", charset="UTF-8"'),)


def _credentials(sent: list[bytes]) -> tuple[str, bytes] | None:
    scheme, _, rest = sent[0].partition(b" ")
    if len(sent) > 1 or scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
