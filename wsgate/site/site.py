"""The site: all that the settings name, made live.

A connection holds the listener that it came in by, an exchange the site that it began with, a session its route. So a
reload, which puts another site in this one's place, changes nothing for those who have begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wsgate.settings.model import Settings
from wsgate.site.certificates import LiveTls, TlsKey
from wsgate.site.listener import LiveListener
from wsgate.site.matching import TOO_LONG, host_name
from wsgate.site.route import LiveRoute
from wsgate.wire.http import Refusal


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """``routes`` and ``listeners`` are in the order of the settings.

    tls: every TLS context, by what it is made from
    renewals: contexts of the site before that stay, and what their files have now
    """

    settings: Settings
    routes: Sequence[LiveRoute] = ()
    listeners: Sequence[LiveListener] = ()
    tls: Mapping[TlsKey, LiveTls] = field(default_factory=dict)
    renewals: Sequence[tuple[LiveTls, LiveTls]] = ()

    def find(
        self, host: bytes, path: str, subprotocols: Sequence[bytes], *, websocket: bool
    ) -> LiveRoute | Refusal | None:
        """The first route that takes a request. ``host`` is a Host field's value; ``path`` is in its normal form.

        One that is too long for a regular expression is refused: it must not go on to a later route, which may ask less
        of its clients.

        websocket: whether the request asks for a WebSocket, rightly or not
        """
        name = host_name(host)
        for route in self.routes:
            matcher = route.matcher
            if matcher.takes(name, subprotocols, websocket):
                if matcher.is_too_long(path):
                    return TOO_LONG
                if matcher.takes_path(path):
                    return route
        return None
