import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.net.networks import Networks
from wsgate.settings.addresses import network

SOME = Networks(map(network, ["10.0.0.0/8", "192.0.2.7", "192.0.2.128/25", "2001:db8::/32", "unix"]))


@pytest.mark.parametrize(
    ("ip", "is_in"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("192.0.2.127", False),
        ("192.0.2.128", True),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("::a00:0", False),  # the number of 10.0.0.0, of the other family
    ],
)
def test_an_address_is_in_one_of_them(ip: str, is_in: bool) -> None:
    assert (ipaddress.ip_address(ip) in SOME) is is_in


def test_a_client_over_a_unix_socket_has_no_address() -> None:
    assert None in SOME
    assert None not in Networks([network("0.0.0.0/0"), network("::/0")])


def test_all_and_none() -> None:
    everybody, nobody = Networks([network("0.0.0.0/0")]), Networks([])
    assert ipaddress.ip_address("203.0.113.9") in everybody
    assert ipaddress.ip_address("::1") not in everybody
    assert ipaddress.ip_address("203.0.113.9") not in nobody


@given(
    ip=st.ip_addresses(),
    written=st.lists(
        st.tuples(st.ip_addresses(v=4), st.integers(0, 32)) | st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
    ),
)
def test_it_agrees_with_ipaddress(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    written: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]],
) -> None:
    networks = [ipaddress.ip_network(pair, strict=False) for pair in written]
    networks = [each for each in networks if getattr(each.network_address, "ipv4_mapped", None) is None]
    assert (ip in Networks(network(str(each)) for each in networks)) is any(ip in each for each in networks)
