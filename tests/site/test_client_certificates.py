from __future__ import annotations

from dataclasses import replace

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ClientCertificateAuth
from wsgate.site.client_certificates import ClientCertificates

SHOWN = ClientCertificate("CN=ann", "CN=CA", "1F", "00" * 32, "ann")


def test_names() -> None:
    some = ClientCertificates(ClientCertificateAuth(names=("ann", "bob")))
    assert some.knows(SHOWN)
    assert not some.knows(replace(SHOWN, common_name="eve"))
    assert not some.knows(replace(SHOWN, common_name=None))


def test_without_names_every_one_that_was_verified() -> None:
    assert ClientCertificates(ClientCertificateAuth()).knows(replace(SHOWN, common_name=None))
