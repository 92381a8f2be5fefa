"""Certificates that nobody vouches for."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from wsgate.net.tls.self_signed import self_signed

IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


def test_key_names_and_time() -> None:
    pem = self_signed("somebody", ["a.example", "b.example"], 3, x509.UnrecognizedExtension(IDENTIFIER, b"\x04\x00"))
    certificate = x509.load_pem_x509_certificate(pem)
    assert certificate.public_key() == load_pem_private_key(pem, None).public_key()
    certificate.verify_directly_issued_by(certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert not names.critical
    assert certificate.extensions.get_extension_for_oid(IDENTIFIER).critical
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now - datetime.timedelta(hours=23)
    assert now + datetime.timedelta(days=2) < certificate.not_valid_after_utc < now + datetime.timedelta(days=4)


def test_openssl_takes_it_and_a_client_does_not(tmp_path: Path) -> None:
    file = tmp_path / "pem"
    file.write_bytes(self_signed("somebody", ["a.example"], 1))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    ends = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(*ends, server_hostname="a.example")
    serving = server.wrap_bio(*ends[::-1], server_side=True)
    for side in client, serving:
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        client.do_handshake()
