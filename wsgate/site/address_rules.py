"""The client addresses that a listener or a route lets in: its ``addresses``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from wsgate.net.networks import Networks
from wsgate.settings.model import Addresses


class AddressRules:
    """``allow`` and ``deny``. ``deny`` takes precedence; an empty ``allow`` allows everybody."""

    def __init__(self, settings: Addresses) -> None:
        self._allow = Networks(settings.allow) if settings.allow else None
        self._deny = Networks(settings.deny)

    def permit(self, ip: IPv4Address | IPv6Address | None) -> bool:
        """Whether a client is let in. ``ip``: its address; ``None`` over a Unix socket"""
        return ip not in self._deny and (self._allow is None or ip in self._allow)


def rules_for(settings: Addresses | None) -> AddressRules | None:
    """Returns the rules of a listener or route; ``None`` if it lets everybody in."""
    return None if settings is None else AddressRules(settings)
