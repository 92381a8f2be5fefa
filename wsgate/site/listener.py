"""A listener, made live: as the connections that come in by it see it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from wsgate.settings.model import Listener
from wsgate.site.certificates import LiveTls


@dataclass(slots=True, eq=False)
class LiveListener:
    """``tls``: what TLS handshakes use, where it speaks TLS.

    closed: it is gone, or has other settings: its connections are not kept for further requests
    """

    settings: Listener
    tls: LiveTls | None = None
    closed: bool = False

    @property
    def context(self) -> ssl.SSLContext | None:
        """For the next TLS handshake: certificates change."""
        return None if self.tls is None else self.tls.context
