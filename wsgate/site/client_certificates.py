"""Which client certificates a route lets in. OpenSSL has verified them by the listener's ``client_ca``."""

from __future__ import annotations

from collections.abc import Container

from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import ClientCertificateAuth
from wsgate.site.credential import Credential
from wsgate.text.alt_name import alt_name_matcher


class ClientCertificates(Credential):
    """The certificates of one ``auth.client_certificate``: one of its names is among those that are written, or none is
    written."""

    def __init__(self, settings: ClientCertificateAuth) -> None:
        self._names = frozenset(settings.names)
        self._subjects = frozenset(settings.subject)
        self._alt_names = [alt_name_matcher(pattern) for pattern in settings.san]
        self._takes_all = not (settings.names or settings.subject or settings.san)

    def __contains__(self, certificate: object) -> bool:
        """Whether it is one of those that are let in."""
        if not isinstance(certificate, ClientCertificate):
            return False
        if self._takes_all or certificate.common_name in self._names or certificate.subject in self._subjects:
            return True
        return any(matches(kind, name) for kind, name in certificate.alt_names for matches in self._alt_names)

    async def present(self) -> Container[object]:
        """Returns itself: only a reload changes who is let in, and makes another one."""
        return self
