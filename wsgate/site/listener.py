"""A listener as its connections see it: its settings, and its certificates."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from wsgate.settings.model import Listener
from wsgate.site.address_rules import AddressRules, rules_for
from wsgate.site.certificates import LiveTls


@dataclass(slots=True, eq=False)
class LiveListener:
    """A listener, ready for use.

    tls: for TLS handshakes; ``None`` without TLS
    addresses: which clients it lets in; ``None``: all
    closed: it is closed, or has other settings now, so its connections end after their present request
    """

    settings: Listener
    tls: LiveTls | None = None
    closed: bool = False
    addresses: AddressRules | None = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = rules_for(self.settings.addresses)

    @property
    def context(self) -> ssl.SSLContext | None:
        """The context for the next TLS handshake; it changes with the certificates."""
        return None if self.tls is None else self.tls.context
