"""Which addresses are allowed: tables of rules and addresses, and properties for all rules."""

from __future__ import annotations

import ipaddress
import os
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.net.target_rules import Rules, is_special, rules_of, unmapped
from wsgate.settings.model import (
    ClientTarget,
    Place,
    PlaceKind,
    Target,
    TargetRule,
    TcpAddress,
    Token,
    Tunnel,
    UnixAddress,
)


def reach(text: str, first: int = 1, last: int = 65535) -> TargetRule:
    """``*``, a network, the path of a socket or of a directory of sockets, or a host pattern."""
    what: IPv4Network | IPv6Network | UnixAddress | str | None = text
    if text == "*":
        what = None
    elif text.startswith("/"):
        what = UnixAddress(text)
    elif text[0].isdigit() or ":" in text:
        what = ipaddress.ip_network(text)
    return TargetRule(what, first, last)


def rules(allow: str, deny: str = "", *, needs_allow: bool = True) -> Rules:
    return Rules(
        [reach(text) for text in allow.split()], [reach(text) for text in deny.split()], needs_allow=needs_allow
    )


def check(rules: Rules, ip: str, host: str | None = None, port: int = 5900) -> bool:
    return rules.check(host or ip, port, ipaddress.ip_address(ip))


# -- networks ----------------------------------------------------------------------------------------------------------

NETWORKS = [
    # allow, deny, address, whether it may be reached
    ("10.0.0.0/8", "", "10.1.2.3", True),
    ("10.0.0.0/8", "", "11.1.2.3", False),
    ("10.0.0.0/8 11.1.2.3", "", "11.1.2.3", True),
    ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", False),
    ("10.0.0.0/8", "10.1.0.0/16", "10.2.2.3", True),
    ("10.1.2.3", "10.0.0.0/8", "10.1.2.3", False),
    ("2001:db8::/32", "", "2001:db8::1", True),
    ("2001:db8::/32", "", "2001:db9::1", False),
    ("0.0.0.0/0", "", "2001:db8::1", False),
    ("::/0", "", "10.1.2.3", False),
    ("*", "", "10.1.2.3", True),
    ("*", "", "2001:db8::1", True),
    ("*", "*", "10.1.2.3", False),
    ("*", "10.0.0.0/8", "10.1.2.3", False),
    ("127.0.0.0/8", "", "127.0.0.1", True),
    ("*", "", "127.0.0.1", True),
    ("*", "", "::1", True),
    ("/", "", "10.1.2.3", False),
    # IPv4 in IPv6's network: mapped, and behind a NAT64
    ("10.0.0.0/8", "", "::ffff:10.1.2.3", True),
    ("10.0.0.0/8", "", "64:ff9b::10.1.2.3", True),
    ("::/0", "", "::ffff:10.1.2.3", False),
    ("::/0", "", "64:ff9b::10.1.2.3", False),
    ("::ffff:10.0.0.0/104", "", "10.1.2.3", True),
    ("64:ff9b::/96", "", "10.1.2.3", True),
    ("64:ff9b::a00:0/104", "", "64:ff9b::11.1.2.3", False),
    ("*", "10.0.0.0/8", "::ffff:10.1.2.3", False),
    ("*", "10.0.0.0/8", "64:ff9b::10.1.2.3", False),
    ("*", "::ffff:10.0.0.0/104", "10.1.2.3", False),
    ("*", "::/0", "64:ff9b::10.1.2.3", False),
    ("10.0.0.0/8", "", "64:ff9b:1::10.1.2.3", False),
    # a zone is an interface, and no other address
    ("fe80::/10", "", "fe80::1%eth0", True),
    ("*", "fe80::/10", "fe80::1%eth0", False),
]


@pytest.mark.parametrize(("allow", "deny", "ip", "expected"), NETWORKS)
def test_networks(allow: str, deny: str, ip: str, expected: bool) -> None:
    assert check(rules(allow, deny), ip) is expected
    assert check(rules(allow, deny), ip, "some.example.com") is expected


# -- names -------------------------------------------------------------------------------------------------------------

NAMES = [
    # allow, deny, name, whether its address 10.1.2.3 may be reached
    ("vnc.example.com", "", "vnc.example.com", True),
    ("vnc.example.com", "", "VNC.Example.com", True),
    ("vnc.example.com", "", "vnc.example.com.", True),
    ("vnc.example.com", "", "vnc.example.com..", False),
    ("VNC.example.com.", "", "vnc.example.com", True),
    ("vnc.example.com", "", "a.vnc.example.com", False),
    ("vnc.example.com", "", "vnc.example.co", False),
    ("vnc.example.com", "", "10.1.2.3", False),
    ("*.example.com", "", "vnc.example.com", True),
    ("*.example.com", "", "a.b.Example.COM.", True),
    ("*.example.com", "", "example.com", False),
    ("*.example.com", "", ".example.com", False),
    ("*.example.com", "", "badexample.com", False),
    ("*.example.com", "", "example.com.evil.test", False),
    ("*.example.com", "vnc.example.com", "VNC.example.com.", False),
    ("*.example.com", "vnc.example.com", "b.example.com", True),
    ("*.example.com", "10.0.0.0/8", "b.example.com", False),
    ("10.0.0.0/8", "*.example.com", "b.example.com", False),
    ("10.0.0.0/8", "*.example.com", "b.example.org", True),
    # international names are what they are written as
    ("xn--bcher-kva.example", "", "xn--bcher-kva.example", True),
    ("xn--bcher-kva.example", "", "bücher.example", False),
    ("vnc.example.com", "", "vnc。example.com", False),
]


@pytest.mark.parametrize(("allow", "deny", "name", "expected"), NAMES)
def test_names(allow: str, deny: str, name: str, expected: bool) -> None:
    assert check(rules(allow, deny), "10.1.2.3", name) is expected


# -- special ranges ----------------------------------------------------------------------------------------------------

SPECIAL = {
    "169.254.169.254": "169.254.169.254/32",
    "169.254.1.1": "169.254.1.0/24",
    "100.100.100.200": "100.100.100.200/32",
    "168.63.129.16": "168.63.129.16/32",
    "192.0.0.192": "192.0.0.192/32",
    "fd00:ec2::254": "fd00:ec2::254/128",
    "fd20:ce::254": "fd20:ce::254/128",
    "fe80::1": "fe80::/64",
    "0.0.0.0": "0.0.0.0/32",
    "0.1.2.3": "0.0.0.0/8",
    "::": "::/128",
    "224.0.0.251": "224.0.0.0/24",
    "ff02::1": "ff02::/16",
    "::ffff:169.254.169.254": "169.254.169.254/32",
    "64:ff9b::a9fe:a9fe": "169.254.169.254/32",
    "::ffff:0.0.0.0": "0.0.0.0/32",
}


@pytest.mark.parametrize(("ip", "own"), SPECIAL.items())
@pytest.mark.parametrize("host", [None, "metadata.example.com"])
def test_special_ranges_need_a_rule_of_their_own(ip: str, own: str, host: str | None) -> None:
    assert is_special(ipaddress.ip_address(ip))
    wide = "* 0.0.0.0/0 ::/0 *.example.com 0.0.0.0/1 128.0.0.0/1 100.100.100.0/24 168.63.129.0/24 fc00::/7 fe00::/8"
    assert not check(rules(wide), ip, host)
    assert not check(rules("", needs_allow=False), ip, host)
    assert not check(rules("", "10.0.0.0/8", needs_allow=False), ip, host)
    assert check(rules(own), ip, host)
    assert check(rules(f"{wide} {own}"), ip, host)
    assert not check(rules(own, own), ip, host)
    assert not Rules([reach(own, 80, 80)], [], needs_allow=True).check("x", 81, ipaddress.ip_address(ip))


def test_link_local_does_not_open_the_metadata_service_inside_it() -> None:
    assert check(rules("169.254.0.0/16"), "169.254.169.253")
    assert not check(rules("169.254.0.0/16"), "169.254.169.254")


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "10.0.0.1", "1.1.1.1", "::1", "fd00::1", "2001:db8::1", "64:ff9b::808:808"]
)
def test_all_others_are_ordinary(ip: str) -> None:
    assert not is_special(ipaddress.ip_address(ip))
    assert check(rules("", needs_allow=False), ip)
    assert not check(rules("", needs_allow=True), ip)


# -- ports -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["10.0.0.0/8", "vnc.example.com", "*"])
def test_ports(what: str) -> None:
    ip = IPv4Address("10.1.2.3")
    allow = Rules([reach(what, 5900, 5999)], [], needs_allow=True)
    deny = Rules([reach("*")], [reach(what, 5900, 5999)], needs_allow=True)
    for port, inside in [(5899, False), (5900, True), (5950, True), (5999, True), (6000, False)]:
        assert allow.check("vnc.example.com", port, ip) is inside
        assert deny.check("vnc.example.com", port, ip) is not inside


def test_a_port_of_one_rule_does_not_go_with_the_address_of_another() -> None:
    both = Rules([reach("10.0.0.0/8", 22, 22), reach("vnc.example.com", 5900, 5900)], [], needs_allow=True)
    assert not both.check("10.1.2.3", 5900, IPv4Address("10.1.2.3"))
    assert not both.check("vnc.example.com", 22, IPv4Address("11.1.2.3"))


# -- before the DNS is asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow", "deny", "name", "expected"),
    [
        ("10.0.0.0/8", "", "anything.test", True),
        ("vnc.example.com", "", "vnc.example.com", True),
        ("vnc.example.com", "", "stranger.test", False),
        ("*", "stranger.test", "stranger.test", False),
        ("*", "10.0.0.0/8", "anything.test", True),
        ("*", "*", "anything.test", False),
        ("", "", "anything.test", False),
        ("/run", "", "anything.test", False),
    ],
)
def test_a_name_that_cannot_be_reached_is_not_looked_up(allow: str, deny: str, name: str, expected: bool) -> None:
    assert rules(allow, deny).check(name, 5900, None) is expected


# -- Unix sockets ------------------------------------------------------------------------------------------------------


def test_unix_sockets(tmp_path: Path) -> None:
    for directory in ("vnc/deep", "vncx", "other"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "vnc" / "way").symlink_to(tmp_path / "other")
    (tmp_path / "alias").symlink_to(tmp_path / "vnc")
    expected = {
        "vnc/a.sock": True,
        "vnc/deep/a.sock": True,
        "vnc/./deep/../a.sock": True,
        "alias/a.sock": True,
        "vnc": True,
        "vncx/a.sock": False,
        "vncx": False,
        "vnc/../other/a.sock": False,
        "vnc/way/a.sock": False,
        "alias/../other/a.sock": False,
        "a.sock": False,
    }
    for written in (f"{tmp_path}/vnc/", f"{tmp_path}/vnc", f"{tmp_path}/alias/"):
        assert {
            path: rules(written).check_unix(os.path.realpath(f"{tmp_path}/{path}")) for path in expected
        } == expected
        denied = rules("/", written)
        assert {path: not denied.check_unix(os.path.realpath(f"{tmp_path}/{path}")) for path in expected} == expected
    socket = rules(f"{tmp_path}/vnc/a.sock")
    assert socket.check_unix(f"{tmp_path}/vnc/a.sock")
    assert not socket.check_unix(f"{tmp_path}/vnc/a.socket")


def test_hosts_are_no_unix_sockets() -> None:
    assert not rules("*").check_unix("/run/a.sock")
    assert not rules("").check_unix("/run/a.sock")
    assert rules("", needs_allow=False).check_unix("/run/a.sock")
    assert rules("", "*", needs_allow=False).check_unix("/run/a.sock")
    assert rules("/").check_unix("/run/a.sock")


# -- which tunnels have rules ------------------------------------------------------------------------------------------

PLACES = (Place(PlaceKind.QUERY, "token"),)
TO = (Target(TcpAddress("127.0.0.1", 5900)),)


def test_a_target_of_the_file_is_not_questioned() -> None:
    assert rules_of(Tunnel(to=TO)) is None


def test_rules_of_tunnels() -> None:
    """A client that names targets itself reaches nothing without allow; a token source belongs to the operator."""
    ip, metadata = "10.1.2.3", "169.254.169.254"
    for tunnel, expected in [
        (Tunnel(to=TO, deny=(reach("11.0.0.0/8"),)), True),
        (Tunnel(to=TO, deny=(reach(ip),)), False),
        (Tunnel(to=TO, allow=(reach(ip),)), True),
        (Tunnel(to=TO, allow=(reach("11.0.0.0/8"),)), False),
        (Tunnel(token=Token(from_=PLACES)), True),
        (Tunnel(token=Token(from_=PLACES), allow=(reach("11.0.0.0/8"),)), False),
        (Tunnel(token=Token(from_=PLACES), deny=(reach(ip),)), False),
        (Tunnel(target=ClientTarget(from_=PLACES)), False),
        (Tunnel(target=ClientTarget(from_=PLACES), deny=(reach("11.0.0.0/8"),)), False),
        (Tunnel(target=ClientTarget(from_=PLACES), allow=(reach(ip),)), True),
    ]:
        found = rules_of(tunnel)
        assert found is not None
        assert check(found, ip) is expected
        assert not check(found, metadata)


# -- for all rules -----------------------------------------------------------------------------------------------------

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
ports = st.integers(1, 65535)
networks = st.one_of(
    st.builds(lambda ip, bits: ipaddress.ip_network((ip, bits), strict=False), v4, st.integers(0, 32)),
    st.builds(lambda ip, bits: ipaddress.ip_network((ip, bits), strict=False), v6, st.integers(0, 128)),
)
reaches = st.builds(
    lambda what, a, b: TargetRule(what, min(a, b), max(a, b)),
    st.one_of(networks, st.none(), st.sampled_from(["a.test", "*.a.test"])),
    ports,
    ports,
)
lists = st.lists(reaches, max_size=4)
hosts = st.sampled_from(["a.test", "b.a.test", "c.test", "10.0.0.1"])


@given(lists, lists, st.booleans(), hosts, ports, st.one_of(v4, v6))
def test_more_rules(
    allow: list[TargetRule], deny: list[TargetRule], needs: bool, host: str, port: int, ip: IPv4Address | IPv6Address
) -> None:
    """A deny takes away, an allow gives; what may be reached was worth asking the DNS for."""
    found = Rules(allow, deny, needs_allow=needs).check(host, port, ip)
    if found:
        assert Rules(allow, [], needs_allow=needs).check(host, port, ip)
        assert Rules(allow, deny, needs_allow=needs).check(host, port, None)
        assert Rules([*allow, TargetRule(None)], deny, needs_allow=True).check(host, port, ip)
    own = TargetRule(ipaddress.ip_network(ip))
    assert not Rules(allow, [*deny, own], needs_allow=needs).check(host, port, ip)
    assert Rules([*allow, own], [], needs_allow=needs).check(host, port, ip)


@given(lists, lists, ports, v4, st.sampled_from(["::ffff:0.0.0.0", "64:ff9b::"]))
def test_clothes_open_no_door(
    allow: list[TargetRule], deny: list[TargetRule], port: int, ip: IPv4Address, prefix: str
) -> None:
    """However it is written, an IPv4 address gets no further than as itself."""
    dressed = IPv6Address(int(IPv6Address(prefix)) | int(ip))
    assert unmapped(dressed) == ip
    found = Rules(allow, deny, needs_allow=True)
    if found.check("a.test", port, dressed):
        assert found.check("a.test", port, ip)


@pytest.mark.parametrize(
    "written",
    [
        "2002:a9fe:a9fe::1",  # 6to4
        "2001:0:a9fe:a9fe::",  # Teredo: its server
        "2001:0:102:304:0:0:5601:5601",  # and its client, whose bits are inverted
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "::a9fe:a9fe",
        "::ffff:a9fe:a9fe",
    ],
)
def test_the_metadata_service_in_any_clothes(written: str) -> None:
    ip = IPv6Address(written)
    assert is_special(ip)
    assert not rules("*").check("a.test", 80, ip)
    assert not rules("::/0").check(written, 80, ip)
    assert not rules("0.0.0.0/0").check(written, 80, ip)
    assert not rules("* ::/0", "169.254.0.0/16").check(written, 80, ip)
    assert rules(written if ip.ipv4_mapped is None else "169.254.169.254").check(written, 80, ip)


@pytest.mark.parametrize("written", ["2002:a00:1::1", "64:ff9b:1::a00:1", "::a00:1", "::ffff:a00:1", "64:ff9b::a00:1"])
def test_what_is_denied_is_denied_in_any_clothes(written: str) -> None:
    assert not rules("*", "10.0.0.0/8").check("a.test", 80, IPv6Address(written))
    assert rules("*", "10.1.0.0/16").check("a.test", 80, IPv6Address(written))
