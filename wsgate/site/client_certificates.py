"""Which client certificates a route lets in. OpenSSL has verified them by the listener's ``client_ca``."""

from __future__ import annotations

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ClientCertificateAuth
from wsgate.site.credential import Credential


class ClientCertificates(Credential):
    """The certificates of one ``auth.client_certificate``."""

    def __init__(self, settings: ClientCertificateAuth) -> None:
        self._names = frozenset(settings.names)

    def knows(self, certificate: ClientCertificate) -> bool:
        """Whether it is one of those that are let in."""
        return not self._names or certificate.common_name in self._names
