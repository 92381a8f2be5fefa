"""``addresses``: which clients may use a listener or a route, by their address."""

from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Which clients are let in, by the address that socket, PROXY header and trusted proxies together show."""

    allow: tuple[Network, ...] = setting(
        "Networks, addresses, or unix for clients over a Unix socket; everybody when left out.", default=()
    )
    deny: tuple[Network, ...] = setting("Who is refused with 403, whatever allow has.", default=())
