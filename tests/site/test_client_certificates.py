from __future__ import annotations

from dataclasses import replace

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ClientCertificateAuth
from wsgate.site.client_certificates import ClientCertificates

SHOWN = ClientCertificate("CN=ann", "CN=CA", "1F", "00" * 32, "ann")


def test_names() -> None:
    some = ClientCertificates(ClientCertificateAuth(names=("ann", "bob")))
    assert SHOWN in some
    assert replace(SHOWN, common_name="eve") not in some
    assert replace(SHOWN, common_name=None) not in some


def test_without_names_every_one_that_was_verified() -> None:
    assert replace(SHOWN, common_name=None) in ClientCertificates(ClientCertificateAuth())


def test_any_of_its_names_will_do() -> None:
    some = ClientCertificates(
        ClientCertificateAuth(names=("ann",), san=("dns:*.example.com", "uri:spiffe://x/*"), subject=("CN=eve,O=X",))
    )
    eve = replace(SHOWN, common_name="eve", subject="CN=eve")
    assert SHOWN in some
    assert eve not in some
    assert replace(eve, subject="CN=eve,O=X") in some
    assert replace(eve, alt_names=(("email", "a@b"), ("uri", "spiffe://x/1"))) in some
    assert replace(eve, alt_names=(("dns", "example.com"), ("uri", "spiffe://y/1"))) not in some
    assert "ann" not in some
