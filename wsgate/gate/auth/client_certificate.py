"""The certificate that a client has shown in its TLS handshake."""

from __future__ import annotations

from wsgate.gate.auth.identity import Identity
from wsgate.gate.exchange import Exchange
from wsgate.site.client_certificates import ClientCertificates
from wsgate.wire.http import Refusal


async def check_client_certificate(exchange: Exchange, certificates: ClientCertificates) -> Identity | Refusal:
    """Checks the names in the certificate, which OpenSSL has verified."""
    shown = exchange.client.certificate
    if shown is None:
        return Refusal(403, "a client certificate is needed", cause="missing")
    if shown not in certificates:
        detail = f"its subject is {shown.subject}"
        return Refusal(403, "this certificate is not allowed", detail=detail, cause="wrong")
    return Identity(shown.common_name, entry=shown)
