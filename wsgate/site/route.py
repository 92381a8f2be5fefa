"""A route with all that its requests need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wsgate.net.target_rules import Rules
from wsgate.settings.model import Route, Target
from wsgate.site.address_rules import AddressRules, rules_for
from wsgate.site.auth import LiveAuth
from wsgate.site.backend import LiveBackend
from wsgate.site.certificates import LiveTls
from wsgate.site.field_changes import FieldChanges
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.upstream import Upstream


@dataclass(slots=True, eq=False)
class LiveRoute:
    """A route. It stays the same object across reloads while nothing of it changes.

    rewriter: what its backends are asked for
    upstream: the backends of a relay
    tunnels_to: the targets of a tunnel in the configuration, in order
    tls: for its backends; ``None`` if none can use TLS
    rules: which addresses may be dialled; ``None``: all
    lookups: for its clients' tokens; ``None`` without tokens
    addresses: which clients may use it; ``None``: all
    auth: for its clients' credentials; ``None`` if it asks for none
    to_backend, to_client: how header fields are changed on their way; ``None``: not at all
    drained: a reload has ended its sessions; a session that begins now ends too
    """

    settings: Route
    matcher: Matcher
    rewriter: Rewriter
    upstream: Upstream | None = None
    tunnels_to: Sequence[LiveBackend[Target]] = ()
    tls: LiveTls | None = None
    rules: Rules | None = None
    lookups: Lookups | None = None
    auth: LiveAuth | None = None
    to_backend: FieldChanges | None = None
    to_client: FieldChanges | None = None
    drained: bool = False
    addresses: AddressRules | None = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = rules_for(self.settings.addresses)

    @property
    def name(self) -> str:
        return self.settings.name
