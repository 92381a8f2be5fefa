"""A set of networks: whether an address is in one of them, at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from wsgate.settings.model import Network


class Networks:
    """Networks of both families; ``unix`` stands for clients over a Unix socket, which have no address."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self.unix = False
        self._prefixes: dict[tuple[int, int], set[int]] = {}  # by version and number of host bits
        for network in networks:
            if network.ip is None:
                self.unix = True
                continue
            bits = network.ip.max_prefixlen - network.ip.prefixlen
            self._prefixes.setdefault((network.ip.version, bits), set()).add(int(network.ip.network_address) >> bits)

    def __contains__(self, ip: IPv4Address | IPv6Address | None) -> bool:
        """``None`` is a client over a Unix socket."""
        if ip is None:
            return self.unix
        number = int(ip)
        return any(ip.version == version and number >> bits in some for (version, bits), some in self._prefixes.items())
