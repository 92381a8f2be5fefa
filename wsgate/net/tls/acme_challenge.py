"""The context for the CA that checks a name by TLS-ALPN-01 (RFC 8737). It is for nobody else."""

from __future__ import annotations

import ssl

PROTOCOL = "acme-tls/1"  # RFC 8737 §6.2


def challenge_context(file: str) -> ssl.SSLContext:
    """Loads the certificate of a challenge and its key, PEM. Call it in a thread.

    Raises ``OSError``, like ``ssl.SSLError``, when the file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    context.num_tickets = 0
    context.load_cert_chain(file, password=lambda: b"")  # or OpenSSL may ask at the terminal
    return context
