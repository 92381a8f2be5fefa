"""Who may use a route: the page that it comes from, its user and password, its certificate. All that is written must be
passed, in this order."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

import trio

from wsgate.gate.client import Origin
from wsgate.gate.gateway import Gateway
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ANY_ORIGIN, SAME_HOST, Basic, ClientCertificateAuth, Files, Route
from wsgate.site.hashing import Busy, hashing, network
from wsgate.site.router import host_name
from wsgate.site.tokens.source import SourceError
from wsgate.wire.headers import values
from wsgate.wire.http import Refusal, Request

_RETRY_AFTER = ((b"Retry-After", b"5"),)
_PAGE = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[^:/?#@\[\]]+)(?::([0-9]{1,5}))?")
_OWN_PORTS = {"http": 80, "https": 443}
_DEFAULT_PORT = re.compile(r"(http://.*):80|(https://.*):443")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The client may go on. ``user`` is the one whose password it knew, where one was asked for."""

    user: str | None = None


async def admit(gateway: Gateway, route: Route, request: Request, origin: Origin) -> Refusal | Admitted:
    """Whether a client may use a route. A password's check has the handshake timeout."""
    admitted = Admitted()
    if not isinstance(route.action, Files):
        refusal = _check_page(_pages(route), request, origin)
        if refusal is not None:
            return refusal
    if route.auth is None:
        return admitted
    if route.auth.basic is not None:
        known = await _check_password(gateway, route, route.auth.basic, request, origin)
        if isinstance(known, Refusal):
            return known
        admitted = known
    if route.auth.client_certificate is not None:
        refusal = _check_certificate(route.auth.client_certificate, origin.certificate)
        if refusal is not None:
            return refusal
    return admitted


def _pages(route: Route) -> tuple[str, ...]:
    """A browser sends the password or the certificate that its user has shown before for every page: where a route asks
    for one, other hosts' pages must be named."""
    return route.origins or ((ANY_ORIGIN,) if route.auth is None else (SAME_HOST,))


def _check_page(allowed: tuple[str, ...], request: Request, origin: Origin) -> Refusal | None:
    """RFC 6455 §10.2. Browsers always send an Origin, of which the page has no choice; others may send what they like:
    this keeps out foreign pages, not other programs."""
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
        if same_host and _is_of_host(page, origin):
            return None
    detail = f"Origin: {', '.join(sent)[:200] if sent else 'none'}"
    if same_host:
        asked = origin.host.decode("latin-1")
        detail = f"{detail}; the host that was asked for is {asked}: name other pages in origins"
    return Refusal(403, "this origin is not allowed", detail=detail)


def _is_of_host(page: str, origin: Origin) -> bool:
    """Whether a page is of the host and port that were asked for, as the client knows them. http or https does not
    matter: a proxy in front may speak TLS, and say nothing of it. So both schemes' own ports are the same one."""
    found = _PAGE.fullmatch(page)
    if found is None or host_name(found[2].encode("latin-1")) != host_name(origin.host):
        return False
    port = int(found[3]) if found[3] else _OWN_PORTS[found[1]]
    return port == origin.port or {port, origin.port} <= set(_OWN_PORTS.values())


def _normal(origin: str) -> str:
    """RFC 6454 §6.2, of what browsers send so anyhow."""
    text = origin.lower()
    found = _DEFAULT_PORT.fullmatch(text)
    return (found[1] or found[2]) if found else text


async def _check_password(
    gateway: Gateway, route: Route, basic: Basic, request: Request, origin: Origin
) -> Refusal | Admitted:
    """RFC 7617."""
    realm = re.sub(r'(["\\])', r"\\\1", basic.realm).encode("utf-8")
    challenge = ((b"WWW-Authenticate", b'Basic realm="' + realm + b'", charset="UTF-8"'),)
    needed = Refusal(401, "user and password are needed", challenge)
    sent = values(request.headers, b"authorization")
    if not sent:
        return needed
    credentials = _credentials(sent)
    if credentials is None:
        return Refusal(401, needed.reason, challenge, detail="Authorization is not of the kind Basic, or malformed")
    users = gateway.users_of(basic)
    address = network(origin.chain[0]) if origin.chain else "unix"
    known, busy = None, False
    try:
        with trio.move_on_after(route.timeouts.handshake):
            known = await users.knows(*credentials, address)
    except SourceError as error:
        return Refusal(503, "passwords cannot be checked now: try again", _RETRY_AFTER, detail=str(error))
    except Busy:
        busy = True
    if known:
        return Admitted(credentials[0])
    if known is not None:
        hashing().was_wrong(address)
    busy = await _hold(gateway, address) or busy
    if known is None and busy:
        detail = "not checked: too many passwords come from this address"
        return Refusal(429, "too many passwords are tried from here: try again", _RETRY_AFTER, detail=detail)
    if known is None:
        detail = f"not within {route.timeouts.handshake:g} s: too many passwords to check, or their file hangs"
        return Refusal(503, "passwords cannot be checked now: try again", _RETRY_AFTER, detail=detail)
    return Refusal(401, needed.reason, challenge, detail="wrong user or password")


async def _hold(gateway: Gateway, address: str) -> bool:
    """Let the answer wait where the address guesses, which is told; not while the process stops, nor where others need
    the place."""
    with hashing().hold(address) as seconds, trio.CancelScope() as scope:
        if seconds and not gateway.draining:
            gateway.idle.add(scope)
            try:
                with gateway.owed(scope):
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
