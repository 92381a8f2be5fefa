"""Which client certificates a route lets in. OpenSSL has verified them by the listener's ``client_ca``."""

from __future__ import annotations

from collections.abc import Container

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ClientCertificateAuth
from wsgate.site.credential import Credential


class ClientCertificates(Credential):
    """The certificates of one ``auth.client_certificate``."""

    def __init__(self, settings: ClientCertificateAuth) -> None:
        self._names = frozenset(settings.names)

    def __contains__(self, certificate: object) -> bool:
        """Whether it is one of those that are let in."""
        return isinstance(certificate, ClientCertificate) and (
            not self._names or certificate.common_name in self._names
        )

    async def present(self) -> Container[object]:
        """Returns itself: only a reload changes who is let in, and makes another one."""
        return self
