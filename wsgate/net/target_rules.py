"""What a tunnel may reach: its ``allow`` and ``deny``, asked of every address that is really dialled.

A name decides nothing about the addresses that somebody's DNS gives it, so each of them is checked, and those that were
checked are dialled. Some ranges lead to the machine's own neighbourhood, where services trust whoever can reach them.
They are shut unless an allow rule lies wholly inside: whoever writes 0.0.0.0/0 or a name has not thought of them.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from wsgate.settings.model import TargetRule, Tunnel, UnixAddress

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# The narrow ones first: 169.254.0.0/16 in allow does not open the metadata service inside it.
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        # Metadata services: whoever may ask them has the machine's credentials
        "169.254.169.254/32",  # nearly every cloud
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::254/128",  # AWS
        "fd20:ce::254/128",  # Google
        # Link-local: RFC 3927, RFC 4291 §2.5.6
        "169.254.0.0/16",
        "fe80::/10",
        # Unspecified, which the kernel takes for loopback: RFC 1122 §3.2.1.3, RFC 4291 §2.5.2
        "0.0.0.0/8",
        "::/128",
        # Multicast: RFC 5771, RFC 4291 §2.7
        "224.0.0.0/4",
        "ff00::/8",
    )
)

# IPv6 addresses that are IPv4's in other clothes: mapped (RFC 4291 §2.5.5.2), and behind a NAT64 (RFC 6052 §2.1). What
# a rule allows is allowed in these, too
_CLOTHES = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_LAST_IS_IPV4 = (IPv6Network("::/96"), IPv6Network("64:ff9b:1::/48"))
_LAST_32_BITS = (1 << 32) - 1


class Rules:
    """``allow`` and ``deny`` of a route. What both have is denied.

    An empty ``allow`` has everything but the special ranges, unless ``needs_allow``: then it has nothing.
    """

    def __init__(self, allow: Sequence[TargetRule], deny: Sequence[TargetRule], *, needs_allow: bool) -> None:
        self._allow = allow
        self._deny = deny
        self._open = not allow and not needs_allow

    def check(self, host: str, port: int, ip: IpAddress | None) -> bool:
        """Whether ``ip``, which is ``host`` or one of its addresses, may be connected to at ``port``.

        With ``None`` for an address that is not known yet: whether it is worth to ask the DNS for it at all.
        """
        name = host.lower().removesuffix(".")
        if any(_has_port(rule, port) and _denies(rule, name, ip) for rule in self._deny):
            return False
        undressed = None if ip is None else undress(ip)
        allowing = [rule for rule in self._allow if _has_port(rule, port) and _allows(rule, name, undressed)]
        if ip is not None and (special := _special_range(ip)) is not None:
            return any(_lies_in(rule, special) or rule.what == ip_network(ip) for rule in allowing)
        return self._open or bool(allowing)

    def check_unix(self, path: str) -> bool:
        """Whether the Unix socket that really lies at ``path``, without symbolic links, may be connected to. Looks at
        the file system for those in the rules."""
        return not _is_below(path, self._deny) and (self._open or _is_below(path, self._allow))


def rules_of(tunnel: Tunnel) -> Rules | None:
    """A tunnel's rules; ``None`` where the file itself names the targets, and no rules."""
    if tunnel.token is None and tunnel.target is None and not tunnel.allow and not tunnel.deny:
        return None
    return Rules(tunnel.allow, tunnel.deny, needs_allow=tunnel.target is not None)


def is_special(ip: IpAddress) -> bool:
    """Whether ``ip`` needs a rule of its own kind."""
    return _special_range(ip) is not None


def undress(ip: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    return IPv4Address(int(ip) & _LAST_32_BITS) if any(ip in clothes for clothes in _CLOTHES) else ip


def _faces(ip: IpAddress) -> list[IpAddress]:
    """All that an address may lead to: itself, and the IPv4 address in it, where a tunnel of this machine or of its
    network may take it out: 6to4 (RFC 3056), Teredo (RFC 4380), a NAT64 of its own (RFC 8215), and the compatible
    addresses of old (RFC 4291 §2.5.5.1)."""
    if isinstance(ip, IPv4Address):
        return [ip]
    found: list[IpAddress] = [undress(ip), ip]
    if ip.sixtofour is not None:
        found.append(ip.sixtofour)
    if ip.teredo is not None:
        found += ip.teredo
    if any(ip in network for network in _LAST_IS_IPV4) and int(ip) > 1:
        found.append(IPv4Address(int(ip) & _LAST_32_BITS))
    return found


def _special_range(ip: IpAddress) -> IpNetwork | None:
    return next((network for face in _faces(ip) for network in _SPECIAL if face in network), None)


def _has_port(rule: TargetRule, port: int) -> bool:
    return rule.first <= port <= rule.last


def _denies(rule: TargetRule, name: str, ip: IpAddress | None) -> bool:
    """Each face of an address can be denied, and a network of addresses that are not known denies none."""
    if isinstance(rule.what, IPv4Network | IPv6Network):
        return ip is not None and any(face in rule.what or face in _undressed(rule.what) for face in _faces(ip))
    return _has_name(rule, name)


def _allows(rule: TargetRule, name: str, ip: IpAddress | None) -> bool:
    if isinstance(rule.what, IPv4Network | IPv6Network):
        return ip is None or ip in _undressed(rule.what)
    return _has_name(rule, name)


def _has_name(rule: TargetRule, name: str) -> bool:
    if not isinstance(rule.what, str):
        return rule.what is None
    pattern = rule.what.lower().removesuffix(".")
    return name.endswith(pattern[1:]) and len(name) >= len(pattern) if pattern.startswith("*.") else name == pattern


def _lies_in(rule: TargetRule, special: IpNetwork) -> bool:
    if not isinstance(rule.what, IPv4Network | IPv6Network):
        return False
    network = _undressed(rule.what)
    return network.network_address in special and network.prefixlen >= special.prefixlen


def _undressed(network: IpNetwork) -> IpNetwork:
    if network.prefixlen < 96 or not any(network.network_address in clothes for clothes in _CLOTHES):
        return network
    return IPv4Network((int(network.network_address) & _LAST_32_BITS, network.prefixlen - 96))


def _is_below(path: str, rules: Sequence[TargetRule]) -> bool:
    """Whether a rule names the socket, or a directory above it."""
    return any(is_beneath(path, rule.what.path) for rule in rules if isinstance(rule.what, UnixAddress))


def is_beneath(path: str, directory: str) -> bool:
    """Whether what really lies at ``path`` is ``directory``, or below it, wherever that is."""
    directory = os.path.realpath(directory)
    return path.startswith("/") and os.path.commonpath((directory, path)) == directory
