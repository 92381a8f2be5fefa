"""A TLS-ALPN-01 challenge: the gateway's certificate for it, and the CA that asks (RFC 8737)."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from wsgate.ops import acme_client

IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
DIGEST = bytes(range(32))


def write(directory: Path, host: str) -> str:
    """Writes the certificate of a challenge. Returns its file."""
    file = directory / f"{host}.pem"
    file.write_bytes(acme_client.challenge_certificate(host, DIGEST))
    return str(file)


def asking(*protocols: str) -> ssl.SSLContext:
    """The context of a CA that asks, or of somebody with other protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols or ("acme-tls/1",)))
    return context


def is_challenge(der: bytes | None) -> bool:
    """Whether a certificate is one for a challenge."""
    assert der is not None
    certificate = x509.load_der_x509_certificate(der)
    return any(extension.oid == IDENTIFIER and extension.critical for extension in certificate.extensions)
