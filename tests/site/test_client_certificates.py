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
