"""A route, made live: what it takes, and all that its requests need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.net.target_rules import Rules
from wsgate.settings.model import Route, Target, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.certificates import LiveTls
from wsgate.site.matching import Matcher
from wsgate.site.passwords import Users
from wsgate.site.tokens.lookups import Lookups


@dataclass(slots=True, eq=False)
class LiveRoute:
    """One route. It is the same object for as long as nothing that it is made of changes.

    relays_to, tunnels_to: the backends that the file names, in its order
    tls: to its backends, where one may speak it
    rules: of what may be dialled, where there are any
    lookups: of the tokens that its clients show
    users: whose passwords its clients know
    drained: a reload has told its sessions to end; one that begins now is told, too
    """

    settings: Route
    matcher: Matcher
    relays_to: Sequence[LiveBackend[WebSocketUrl]] = ()
    tunnels_to: Sequence[LiveBackend[Target]] = ()
    tls: LiveTls | None = None
    rules: Rules | None = None
    lookups: Lookups | None = None
    users: Users | None = None
    drained: bool = False

    @property
    def name(self) -> str:
        return self.settings.name
