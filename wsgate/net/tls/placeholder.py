"""A certificate of our own until ACME has brought one: clients refuse it, and everything else is served."""

from __future__ import annotations

import contextlib
import datetime
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence


def load_placeholder(context: ssl.SSLContext, hosts: Sequence[str]) -> None:
    """Loads a new self-signed certificate with these names. It needs the extra acme."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wsgate waits for a certificate")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    with _file_with(pem + certificate.public_bytes(serialization.Encoding.PEM)) as file:
        context.load_cert_chain(file)


@contextlib.contextmanager
def _file_with(data: bytes) -> Iterator[str]:
    """Gives the name of a file for OpenSSL, which is gone with the block. Nothing is written to a disk where it can be
    in memory: all file systems may be read-only."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("wsgate-placeholder", os.MFD_CLOEXEC), "wb") as memory:
            memory.write(data)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(data)
            file.flush()
            yield file.name
