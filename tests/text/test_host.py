"""Hosts: the same decision whether the file, a token or a client names them."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgate.settings.addresses import tunnel_target
from wsgate.site.tokens.values import client_target, from_object, targets
from wsgate.text.error import TextError
from wsgate.text.host import host, ipv6, is_host_field, is_ip, is_loopback, name_or_ipv4

LONG_LABEL = "a" * 63
LONG_NAME = ".".join([LONG_LABEL] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LocalHost", "localhost"),
        ("my_service-1", "my_service-1"),
        ("gate.example.", "gate.example."),
        ("1.example", "1.example"),
        ("0x7f.example", "0x7f.example"),
        ("0xg", "0xg"),
        (LONG_NAME, LONG_NAME),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
    ],
)
def test_hosts(text: str, expected: str) -> None:
    assert host(text) == expected
    assert host(expected) == expected


_NUMBERS = ["0x7f", "0X7F", "0x", "127.1", "0x7f.1", "0x7f000001", "2130706433", "2130706433.", "1.0x1", "010.0.0.1"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is missing"),
        ("bücher.example", "is not ASCII: write an international name in its xn-- form"),
        *((text, "is not a host name") for text in ("a..b", "-a", "a-", "a/b", "a b", ".a", "a\n", "a@b")),
        *((text, "is not a host name") for text in (f"{LONG_LABEL}a", f"a{LONG_NAME}")),
        *((text, "is not an IPv4 address: write four decimal numbers, like 127.0.0.1") for text in _NUMBERS),
        ("a.256", "is not an IPv4 address: write four decimal numbers, like 127.0.0.1"),
        *((text, "is not an IPv6 address") for text in ("[1.2.3.4]", "1::g", "[]", "[a]", ":", "a:1")),
        *(
            (text, "has a zone: only addresses without one can be used")
            for text in ("fe80::1%eth0", "[fe80::1%25eth0]")
        ),
    ],
)
def test_other_texts_are_no_host(text: str, problem: str) -> None:
    with pytest.raises(TextError) as caught:
        host(text)
    assert caught.value.problem == problem


@pytest.mark.parametrize("number", _NUMBERS)
def test_a_number_is_no_host_for_anybody(number: str) -> None:
    """getaddrinfo(3) would take it for an address that no rule has seen."""
    with pytest.raises(TextError, match="is not an IPv4 address: write four decimal numbers"):
        tunnel_target(f"tcp://{number}:22")
    for read in (targets, client_target):
        with pytest.raises(ValueError, match="is not an IPv4 address: write four decimal numbers"):
            read(f"tcp://{number}:22", False)
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        from_object({"host": number, "port": 22}, tls=False)


@given(st.text("0123456789xXabcdefABCDEF.-_", max_size=20))
@example("0x7f.0.0.1")
def test_what_the_resolver_takes_for_an_address_is_one_or_no_host(text: str) -> None:
    try:
        socket.inet_aton(text)
    except OSError:
        return
    try:
        taken = name_or_ipv4(text)
    except TextError:
        return
    assert str(ipaddress.IPv4Address(taken)) == text


def test_ip_addresses_are_told_from_names() -> None:
    assert is_ip("127.0.0.1")
    assert is_ip("::1")
    assert not is_ip("[::1]")
    assert not is_ip("127.1")
    assert ipv6("0:0:0:0:0:0:0:1") == "::1"


@pytest.mark.parametrize(
    "value", [b"", b"a", b"A_b.:80", b"a:", b":80", b"[::1]:65535", b"127.1", b"a~!$&'()*+;=%41", b"[::1]"]
)
def test_what_a_host_field_may_hold_is_only_carried(value: bytes) -> None:
    assert is_host_field(value)


@pytest.mark.parametrize("value", [b"a b", b"a/b", b"me@a", b"a:x", b"a:123456", b"[g]", b"a,b", b"a\n", b"\xe9"])
def test_other_values_are_no_host_field(value: bytes) -> None:
    assert not is_host_field(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a", False)],
)
def test_is_loopback(text: str, expected: bool) -> None:
    assert is_loopback(text) is expected
