"""Checks whether a client may use a route: by the origin of its page, by user and password, by its certificate.

All checks that the route has must succeed, in this order.
"""

from __future__ import annotations

import base64
import binascii
import re

import trio

from wsgate.gate.client import Client
from wsgate.gate.exchange import Exchange
from wsgate.gate.gateway import Gateway
from wsgate.gate.refusals import RETRY_AFTER
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ANY_ORIGIN, SAME_HOST, Basic, ClientCertificateAuth, Route
from wsgate.site.hashing import Busy, hashing, network
from wsgate.site.matching import host_name
from wsgate.site.tokens.source import SourceError
from wsgate.text.error import TextError
from wsgate.text.origin import origin
from wsgate.wire.headers import values
from wsgate.wire.http import Refusal, Request

_PAGE = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[^:/?#@\[\]]+)(?::([0-9]{1,5}))?")
_OWN_PORTS = {"http": 80, "https": 443}


async def admit(exchange: Exchange) -> Refusal | None:
    """Returns why the client may not use the route; ``None`` if it may. Sets the exchange's ``user``.

    The check of a password has the handshake timeout.
    """
    route, client = exchange.route.settings, exchange.client
    if exchange.upgrade is not None:
        refusal = _check_page(_pages(route), exchange.request, client)
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


def _pages(route: Route) -> tuple[str, ...]:
    """Returns the allowed origins.

    A browser sends a password or certificate that its user has entered once for requests of every page. So if a route
    asks for one, pages of other hosts must be named in ``origins``.
    """
    return route.origins or ((ANY_ORIGIN,) if route.auth is None else (SAME_HOST,))


def _check_page(allowed: tuple[str, ...], request: Request, client: Client) -> Refusal | None:
    """Checks the Origin (RFC 6455 §10.2). Browsers always send it, and a page cannot change it; other programs may send
    any. So this refuses foreign pages, not other programs."""
    if ANY_ORIGIN in allowed:
        return None
    sent = [value.decode("latin-1") for value in values(request.headers, b"origin")]
    same_host = SAME_HOST in allowed
    if not sent and same_host:
        return None
    if len(sent) == 1:
        page = _normal(sent[0])
        if page in allowed and page != SAME_HOST:
            return None
        if same_host and _is_of_host(page, client):
            return None
    detail = f"Origin: {', '.join(sent)[:200] if sent else 'none'}"
    if same_host:
        asked = client.host.decode("latin-1")
        detail = f"{detail}; the host that was asked for is {asked}: name other pages in origins"
    return Refusal(403, "this origin is not allowed", detail=detail)


def _is_of_host(page: str, client: Client) -> bool:
    """Whether a page is of the host and port that the client asked for.

    http and https count as the same, because a proxy in front may use TLS without telling us. So the default ports of
    both schemes count as the same port.
    """
    found = _PAGE.fullmatch(page)
    if found is None or host_name(found[2].encode("latin-1")) != host_name(client.host):
        return False
    port = int(found[3]) if found[3] else _OWN_PORTS[found[1]]
    return port == client.port or {port, client.port} <= set(_OWN_PORTS.values())


def _normal(sent: str) -> str:
    """Returns an Origin in its normal form. What is none by our grammar, ``null`` for example, stays as it is."""
    try:
        return origin(sent)
    except TextError:
        return sent.lower()


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
    busy = await _hold(exchange.gateway, address) or busy
    if known is None and busy:
        detail = "not checked: too many passwords come from this address"
        return Refusal(429, "too many passwords are tried from here: try again", RETRY_AFTER, detail=detail)
    if known is None:
        detail = f"not within {within:g} s: too many passwords to check, or their file hangs"
        return Refusal(503, "passwords cannot be checked now: try again", RETRY_AFTER, detail=detail)
    return Refusal(401, needed.reason, challenge, detail="wrong user or password")


async def _hold(gateway: Gateway, address: str) -> bool:
    """Delays the answer to an address that has guessed passwords. Returns whether it has.

    There is no delay while the process stops, and it ends if other connections need the descriptor.
    """
    with hashing().hold(address) as seconds, trio.CancelScope() as scope:
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
