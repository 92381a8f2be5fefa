"""The certificate that a client has shown."""

from __future__ import annotations

from dataclasses import replace

from tests.gate.asking import CERTIFICATE, ask, asking
from tests.gate.conftest import NOWHERE, route
from wsgate.gate.admission import admit
from wsgate.settings.model import Auth, ClientCertificateAuth
from wsgate.wire.http import Refusal


async def test_a_certificate() -> None:
    any_one = route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth()))
    some = route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth(names=("boss", "worker 7"))))
    assert await ask(any_one, certificate=CERTIFICATE) is None
    assert await ask(some, certificate=CERTIFICATE) is None
    assert await ask(any_one) == Refusal(403, "a client certificate is needed")
    assert await ask(some) == Refusal(403, "a client certificate is needed")
    for name in ("worker 8", "CN=worker 7,O=Example", None):
        refusal = await ask(some, certificate=replace(CERTIFICATE, common_name=name))
        assert refusal is not None
        assert (refusal.status, refusal.reason) == (403, "this certificate is not allowed")
        assert refusal.detail == "its subject is CN=worker 7,O=Example"


async def test_its_common_name_is_the_user() -> None:
    for certificate in (CERTIFICATE, replace(CERTIFICATE, common_name=None)):
        exchange = asking(
            route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth())), certificate=certificate
        )
        assert await admit(exchange) is None
        assert exchange.user == certificate.common_name


async def test_its_other_names() -> None:
    names = (("uri", "spiffe://example.com/w\n7"), *(("dns", f"w{number}.example.com") for number in range(9)))
    shown = replace(CERTIFICATE, common_name=None, alt_names=names)
    exchange = asking(
        route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth(san=("dns:*.example.com",)))),
        certificate=shown,
    )
    assert await admit(exchange) is None
    assert exchange.user == "spiffe://example.com/w\n7"
    refusal = await ask(
        route(NOWHERE, auth=Auth(client_certificate=ClientCertificateAuth(san=("dns:a",)))), certificate=shown
    )
    assert refusal is not None
    assert refusal.detail.startswith(
        "its subject is CN=worker 7,O=Example; its other names are uri:spiffe://example.com/w%0A7, dns:w0.example.com"
    )
    assert refusal.detail.endswith("dns:w6.example.com, …")
