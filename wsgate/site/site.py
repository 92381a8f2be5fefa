"""The site: everything that the settings name, ready for use.

A connection keeps its listener, an exchange its site, and a session its route. So a reload, which replaces the site,
changes nothing for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wsgate.settings.model import Settings
from wsgate.site.certificates import LiveTls, TlsKey
from wsgate.site.listener import LiveListener
from wsgate.site.matching import TOO_LONG, host_name
from wsgate.site.route import LiveRoute
from wsgate.wire.headers import Headers
from wsgate.wire.http import Refusal

CHALLENGE_PATH = "/.well-known/acme-challenge/"  # RFC 8555 §8.3


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Everything that the settings name; ``routes`` and ``listeners`` in their order.

    tls: every TLS context, by the settings that it is made from
    challenges: routes for the answers to ACME's challenges (RFC 8555 §8.3), which come before all others
    secret: random; the same in all worker processes and after a reload, another one after a restart
    renewals: contexts that are kept from the site before, with the present content of their files
    """

    settings: Settings
    routes: Sequence[LiveRoute] = ()
    listeners: Sequence[LiveListener] = ()
    tls: Mapping[TlsKey, LiveTls] = field(default_factory=dict)
    renewals: Sequence[tuple[LiveTls, LiveTls]] = ()
    secret: bytes = b""
    challenges: Sequence[LiveRoute] = ()

    def find_challenge(self, host: bytes, path: str) -> LiveRoute | None:
        """Returns the route for the answer to a challenge; ``None`` if the request is for none."""
        if not self.challenges or not path.startswith(CHALLENGE_PATH):
            return None
        name = host_name(host)
        return next((route for route in self.challenges if route.matcher.takes(name, (), False)), None)

    def find(
        self,
        host: bytes,
        path: str,
        subprotocols: Sequence[bytes],
        *,
        websocket: bool,
        headers: Headers = (),
        target: bytes = b"",
    ) -> LiveRoute | Refusal | None:
        """Returns the first route that matches a request; ``None`` if there is none.

        Returns a refusal if the path is too long for a regular expression: a later route might have weaker access
        rules.

        host: the value of the Host field
        path: in its normal form
        websocket: whether the request asks for a WebSocket, well-formed or not
        headers, target: of the request, as they came
        """
        name = host_name(host)
        for route in self.routes:
            matcher = route.matcher
            if matcher.takes(name, subprotocols, websocket):
                if matcher.conditions is not None and not matcher.conditions(headers, target):
                    continue
                if matcher.is_too_long(path):
                    return TOO_LONG
                if matcher.takes_path(path):
                    return route
        return None
