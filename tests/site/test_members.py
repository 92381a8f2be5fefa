"""Which backends are wanted, from the configuration, the file and the addresses of names."""

from __future__ import annotations

import socket
from typing import Any

from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.settings.model import RelayBackend, TcpAddress, UnixAddress, WebSocketUrl
from wsgate.site.members import entries_of, members, names_of


def entry(host: str, port: int = 1, **more: Any) -> RelayBackend:
    return RelayBackend(url=WebSocketUrl(TcpAddress(host, port), None), **more)


def v4(host: str, port: int = 1) -> SocketAddress:
    return socket.AF_INET, (host, port)


V6: SocketAddress = socket.AF_INET6, ("2001:db8::7", 1, 0, 0)


def test_an_entry_of_the_file_replaces_the_same_one() -> None:
    a, b, drained = entry("a"), entry("b"), entry("a", drain=True)
    assert entries_of([a], [b]) == [a, b]
    assert entries_of([a, b], [drained]) == [drained, b]
    assert entries_of([], [b]) == [b]


def test_names() -> None:
    unix = RelayBackend(url=WebSocketUrl(UnixAddress("/run/app.sock"), None))
    base = RelayBackend(url=WebSocketUrl(TcpAddress("a", 1), "/base"))
    entries = [entry("a"), entry("10.0.0.7"), entry("2001:db8::1"), unix, base, entry("a", 2)]
    assert names_of(entries) == [TcpAddress("a", 1), TcpAddress("a", 2)]


def test_each_address_of_a_name_is_a_backend() -> None:
    entries = [entry("a"), entry("10.0.0.1"), entry("b")]
    found = members(entries, {TcpAddress("a", 1): [v4("10.0.0.7"), V6], TcpAddress("c", 1): [v4("10.0.0.9")]})
    assert [each.name for each in found] == [
        "ws://a:1 (10.0.0.7)",
        "ws://a:1 (2001:db8::7)",
        "ws://10.0.0.1:1",
        "ws://b:1",
    ]
    assert [each.at for each in found] == [v4("10.0.0.7"), V6, None, None]
    assert found[0].entry is found[1].entry is entries[0]
