"""Checks whether a client may use a route: by its address, by the origin of its page, by user and password, by its
certificate.

All checks that the route has must succeed, in this order.
"""

from __future__ import annotations

import base64
import binascii
import re

import trio

from wsgate.gate.addresses import DENIED, is_denied
from wsgate.gate.exchange import Exchange
from wsgate.gate.gateway import Gateway
from wsgate.gate.origins import check_origin
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import Basic, ClientCertificateAuth
from wsgate.site.hashing import Busy, hashing, network
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import values
from wsgate.wire.http import Refusal


async def admit(exchange: Exchange) -> Refusal | None:
    """Returns why the client may not use the route; ``None`` if it may. Sets the exchange's ``user``.

    The check of a password has the handshake timeout.
    """
    route, client = exchange.route.settings, exchange.client
    if is_denied(client, exchange.route.addresses):
        return DENIED
    if exchange.upgrade is not None:
        refusal = check_origin(route, exchange.request, client)
        if refusal is not None:
            return refusal
    if route.auth is None:
        return None
    if route.auth.basic is not None:
        refusal = await _check_password(exchange, route.auth.basic)
        if refusal is not None:
            return refusal
    if route.auth.client_certificate is not None:
        return _check_certificate(route.auth.client_certificate, client.certificate)
    return None


async def _check_password(exchange: Exchange, basic: Basic) -> Refusal | None:
    """Checks user and password by HTTP Basic authentication (RFC 7617)."""
    realm = re.sub(r'(["\\])', r"\\\1", basic.realm).encode("utf-8")
    challenge = ((b"WWW-Authenticate", b'Basic realm="' + realm + b'", charset="UTF-8"'),)
    needed = Refusal(401, "user and password are needed", challenge)
    sent = values(exchange.request.headers, b"authorization")
    if not sent:
        return needed
    credentials = _credentials(sent)
    if credentials is None:
        return Refusal(401, needed.reason, challenge, detail="Authorization is not of the kind Basic, or malformed")
    users, within = exchange.route.users, exchange.route.settings.timeouts.handshake
    assert users is not None
    chain = exchange.client.chain
    address = network(chain[0]) if chain else "unix"
    known, busy = None, False
    try:
        with trio.move_on_after(within):
            known = await users.knows(*credentials, address)
    except SourceError as error:
        return Refusal(503, "passwords cannot be checked now: try again", RETRY_AFTER, detail=str(error))
    except Busy:
        busy = True
    if known:
        exchange.user = credentials[0]
        return None
    if known is not None:
        hashing().was_wrong(address)
    busy = await _delay(exchange.gateway, address) or busy
    if known is None and busy:
        detail = "not checked: too many passwords come from this address"
        return Refusal(429, "too many passwords are tried from here: try again", RETRY_AFTER, detail=detail)
    if known is None:
        detail = f"not within {within:g} s: too many passwords to check, or their file hangs"
        return Refusal(503, "passwords cannot be checked now: try again", RETRY_AFTER, detail=detail)
    return Refusal(401, needed.reason, challenge, detail="wrong user or password")


async def _delay(gateway: Gateway, address: str) -> bool:
    """Delays the answer to an address that has guessed passwords. Returns whether it has.

    There is no delay while the process stops, and it ends if other connections need the descriptor.
    """
    with hashing().delay(address) as seconds, trio.CancelScope() as scope:
        if seconds and not gateway.draining:
            gateway.idle.add(scope)
            try:
                with gateway.awaiting(scope):
                    await trio.sleep(seconds)
            finally:
                gateway.idle.discard(scope)
    return seconds > 0


def _credentials(sent: list[bytes]) -> tuple[str, bytes] | None:
    scheme, _, rest = sent[0].partition(b" ")
    if len(sent) > 1 or scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _check_certificate(wanted: ClientCertificateAuth, shown: ClientCertificate | None) -> Refusal | None:
    if shown is None:
        return Refusal(403, "a client certificate is needed")
    if wanted.names and shown.common_name not in wanted.names:
        return Refusal(403, "this certificate is not allowed", detail=f"its subject is {shown.subject}")
    return None
