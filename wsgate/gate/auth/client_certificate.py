"""The certificate that a client has shown in its TLS handshake."""

from __future__ import annotations

from wsgate.gate.auth.identity import Identity
from wsgate.gate.exchange import Exchange
from wsgate.site.client_certificates import ClientCertificates
from wsgate.text.variables import encoded
from wsgate.wire.http import Refusal

_MOST = 8  # names of a certificate in the log


async def check_client_certificate(exchange: Exchange, certificates: ClientCertificates) -> Identity | Refusal:
    """Checks the names in the certificate, which OpenSSL has verified."""
    shown = exchange.client.certificate
    if shown is None:
        return Refusal(403, "a client certificate is needed", cause="missing")
    if shown not in certificates:
        detail = f"its subject is {shown.subject}"
        if shown.alt_names:
            others = ", ".join(f"{kind}:{name}" for kind, name in shown.alt_names[:_MOST])
            detail = f"{detail}; its other names are {encoded(others)}{', …' if len(shown.alt_names) > _MOST else ''}"
        return Refusal(403, "this certificate is not allowed", detail=detail, cause="wrong")
    first = shown.alt_names[0][1] if shown.alt_names else None
    return Identity(shown.common_name or first, entry=shown)
