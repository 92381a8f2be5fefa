"""A client's request for a route, as the tests of who may use it make one."""

from __future__ import annotations

import base64

from tests.gate.conftest import exchange_for
from wsgate.gate.admission import admit
from wsgate.gate.exchange import Exchange
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import Auth, Basic, Files, Route
from wsgate.wire.handshake import Upgrade
from wsgate.wire.http import Refusal, Request

UPGRADE = Upgrade(b"key", (), [])
PAGE = "https://app.example.com"
BASIC = Auth(basic=Basic(users=("ann:{PLAIN}s\N{LATIN SMALL LETTER O WITH DIAERESIS}same",), realm='my "desk"\\'))
CERTIFICATE = ClientCertificate("CN=worker 7,O=Example", "CN=CA", "1F", "00" * 32, "worker 7")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def ask(route: Route, *headers: tuple[str, str], certificate: ClientCertificate | None = None) -> Refusal | None:
    """Returns the refusal for a client that sends these fields; ``None`` if it is admitted."""
    return await admit(asking(route, *headers, certificate=certificate))


def asking(
    route: Route, *headers: tuple[str, str], certificate: ClientCertificate | None = None, target: bytes = b"/"
) -> Exchange:
    """Returns the exchange of such a client."""
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    asked = Request(b"GET", target, b"gate", b"1.1", fields, fields)
    exchange = exchange_for(route, asked, certificate=certificate)
    exchange.upgrade = None if isinstance(route.action, Files) else UPGRADE
    return exchange
