"""Addresses that cannot be bound at the same time: compared with the kernel's answer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.peers.sockets import free_port
from wsgate.net.binds import overlap
from wsgate.ops.listeners import ListenError, close_listeners, open_listeners
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

HOSTS = ["0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "localhost"]


@pytest.mark.parametrize("one", HOSTS)
@pytest.mark.parametrize("other", HOSTS)
def test_it_is_what_the_kernel_does(one: str, other: str) -> None:
    port = free_port()
    binds = [TcpAddress(other, port), TcpAddress(one, port)]
    try:
        close_listeners(open_listeners([Listener(bind=bind) for bind in binds]))
        refused = False
    except ListenError:
        refused = True
    assert (overlap(binds[1], binds[0]) is not None) == refused


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("127.0.0.1", "0.0.0.0", "has 0.0.0.0:80, which takes 127.0.0.1:80 too"),
        ("0.0.0.0", "127.0.0.1", "has 127.0.0.1:80, which 0.0.0.0:80 takes too"),
        ("0.0.0.0", "::", "has [::]:80, which takes IPv4, and so 0.0.0.0:80 too"),
        ("::", "10.0.0.1", "has 10.0.0.1:80, which [::]:80 takes too: it takes IPv4"),
        ("::1", "::", "has [::]:80, which takes [::1]:80 too"),
        ("a.test", "a.test", "has a.test:80 already"),
        ("a.test", "0.0.0.0", None),  # a name may lead anywhere
        ("::1", "0.0.0.0", None),
        ("127.0.0.1", "10.0.0.1", None),
    ],
)
def test_the_words(one: str, other: str, why: str | None) -> None:
    assert overlap(TcpAddress(one, 80), TcpAddress(other, 80)) == why
    assert overlap(TcpAddress(one, 80), TcpAddress(other, 81)) is None
    assert overlap(TcpAddress(one, 0), TcpAddress(other, 0)) is None


def test_a_name_that_leads_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        assert host == "localhost"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    why = "has 127.0.0.1:80, which is the same as localhost:80"
    assert overlap(TcpAddress("localhost", 80), TcpAddress("127.0.0.1", 80)) == why


def test_a_machine_without_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert overlap(TcpAddress("localhost", 80), TcpAddress("127.0.0.1", 80)) is None


def test_unix_sockets(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.symlink("run", tmp_path / "link")
    one, same, other = (UnixAddress(str(tmp_path / name)) for name in ("run/s", "link/s", "run/t"))
    assert overlap(one, one) == f"has {one} already"
    assert overlap(same, one) == f"has {one}, which is the same file as {same}"
    assert overlap(other, one) is None
    tcp: Address = TcpAddress("::", 80)
    assert overlap(one, tcp) is None
    assert overlap(tcp, one) is None
