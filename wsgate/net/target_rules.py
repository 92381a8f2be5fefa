"""Which addresses a tunnel may reach: its ``allow`` and ``deny``, checked for every address that is dialled.

A name says nothing about its addresses, which a foreign name server may choose. So every address is checked, and only
checked addresses are dialled.

Special ranges lead to this machine or its network, to services that trust every client. They are denied unless an allow
rule lies wholly inside the range: a rule like 0.0.0.0/0, or a name, was probably not meant for them.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from wsgate.settings.model import TargetRule, Tunnel, UnixAddress

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# The narrow ranges first: 169.254.0.0/16 in allow does not allow the metadata service inside it.
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        # Metadata services, which give the machine's credentials to every client
        "169.254.169.254/32",  # nearly every cloud
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::254/128",  # AWS
        "fd20:ce::254/128",  # Google
        # Link-local: RFC 3927, RFC 4291 §2.5.6
        "169.254.0.0/16",
        "fe80::/10",
        # Unspecified, which the kernel treats as loopback: RFC 1122 §3.2.1.3, RFC 4291 §2.5.2
        "0.0.0.0/8",
        "::/128",
        # Multicast: RFC 5771, RFC 4291 §2.7
        "224.0.0.0/4",
        "ff00::/8",
    )
)

# IPv6 addresses that stand for an IPv4 address: mapped (RFC 4291 §2.5.5.2), and behind a NAT64 (RFC 6052 §2.1). A rule
# that allows the IPv4 address allows these too
_MAPPED = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_LAST_IS_IPV4 = (IPv6Network("::/96"), IPv6Network("64:ff9b:1::/48"))
_LAST_32_BITS = (1 << 32) - 1


class Rules:
    """``allow`` and ``deny`` of a route. ``deny`` takes precedence.

    An empty ``allow`` allows everything but the special ranges, or nothing if ``needs_allow`` is set.
    """

    def __init__(self, allow: Sequence[TargetRule], deny: Sequence[TargetRule], *, needs_allow: bool) -> None:
        self._allow = allow
        self._deny = deny
        self._open = not allow and not needs_allow

    def check(self, host: str, port: int, ip: IpAddress | None) -> bool:
        """Whether a connection to ``ip``, which is ``host`` or one of its addresses, is allowed at ``port``.

        With ``None`` as ``ip``: whether some address could be allowed, so that ``host`` has to be resolved.
        """
        name = host.lower().removesuffix(".")
        if any(_has_port(rule, port) and _denies(rule, name, ip) for rule in self._deny):
            return False
        unmapped_ip = None if ip is None else unmapped(ip)
        allowing = [rule for rule in self._allow if _has_port(rule, port) and _allows(rule, name, unmapped_ip)]
        if ip is not None and (special := _special_range(ip)) is not None:
            return any(_lies_in(rule, special) or rule.what == ip_network(ip) for rule in allowing)
        return self._open or bool(allowing)

    def check_unix(self, path: str) -> bool:
        """Whether a connection to the Unix socket at ``path`` is allowed.

        ``path`` must have no symbolic links; those in the rules are resolved here, so this may wait for a disk.
        """
        return not _is_below(path, self._deny) and (self._open or _is_below(path, self._allow))


def rules_of(tunnel: Tunnel) -> Rules | None:
    """Returns a tunnel's rules; ``None`` if its targets are in the configuration and it has no rules."""
    if tunnel.token is None and tunnel.target is None and not tunnel.allow and not tunnel.deny:
        return None
    return Rules(tunnel.allow, tunnel.deny, needs_allow=tunnel.target is not None)


def is_special(ip: IpAddress) -> bool:
    """Whether ``ip`` is in a special range."""
    return _special_range(ip) is not None


def unmapped(ip: IpAddress) -> IpAddress:
    """Returns the IPv4 address that an IPv6 address stands for; other addresses unchanged."""
    return IPv4Address(int(ip) & _LAST_32_BITS) if any(ip in network for network in _MAPPED) else ip


def _reachable(ip: IpAddress) -> list[IpAddress]:
    """Returns all addresses that packets to ``ip`` may reach: itself and the IPv4 address inside it.

    A tunnel or gateway of this machine or of its network may extract that address: 6to4 (RFC 3056), Teredo (RFC 4380),
    a local NAT64 (RFC 8215), and the old IPv4-compatible addresses (RFC 4291 §2.5.5.1).
    """
    if isinstance(ip, IPv4Address):
        return [ip]
    found: list[IpAddress] = [unmapped(ip), ip]
    if ip.sixtofour is not None:
        found.append(ip.sixtofour)
    if ip.teredo is not None:
        found += ip.teredo
    if any(ip in network for network in _LAST_IS_IPV4) and int(ip) > 1:
        found.append(IPv4Address(int(ip) & _LAST_32_BITS))
    return found


def _special_range(ip: IpAddress) -> IpNetwork | None:
    return next((network for each in _reachable(ip) for network in _SPECIAL if each in network), None)


def _has_port(rule: TargetRule, port: int) -> bool:
    return rule.first <= port <= rule.last


def _denies(rule: TargetRule, name: str, ip: IpAddress | None) -> bool:
    """Whether ``rule`` denies an address or one inside it. A network rule does not deny an unknown address."""
    if isinstance(rule.what, IPv4Network | IPv6Network):
        return ip is not None and any(
            each in rule.what or each in _unmapped_network(rule.what) for each in _reachable(ip)
        )
    return _has_name(rule, name)


def _allows(rule: TargetRule, name: str, ip: IpAddress | None) -> bool:
    if isinstance(rule.what, IPv4Network | IPv6Network):
        return ip is None or ip in _unmapped_network(rule.what)
    return _has_name(rule, name)


def _has_name(rule: TargetRule, name: str) -> bool:
    if not isinstance(rule.what, str):
        return rule.what is None
    pattern = rule.what.lower().removesuffix(".")
    return name.endswith(pattern[1:]) and len(name) >= len(pattern) if pattern.startswith("*.") else name == pattern


def _lies_in(rule: TargetRule, special: IpNetwork) -> bool:
    if not isinstance(rule.what, IPv4Network | IPv6Network):
        return False
    network = _unmapped_network(rule.what)
    return network.network_address in special and network.prefixlen >= special.prefixlen


def _unmapped_network(network: IpNetwork) -> IpNetwork:
    if network.prefixlen < 96 or not any(network.network_address in mapped for mapped in _MAPPED):
        return network
    return IPv4Network((int(network.network_address) & _LAST_32_BITS, network.prefixlen - 96))


def _is_below(path: str, rules: Sequence[TargetRule]) -> bool:
    """Whether a rule names the socket or a directory above it."""
    return any(is_beneath(path, rule.what.path) for rule in rules if isinstance(rule.what, UnixAddress))


def is_beneath(path: str, directory: str) -> bool:
    """Whether ``path``, which has no symbolic links, is ``directory`` or below it; ``directory`` may have some."""
    directory = os.path.realpath(directory)
    return path.startswith("/") and os.path.commonpath((directory, path)) == directory
