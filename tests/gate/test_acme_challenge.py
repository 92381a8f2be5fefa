"""A CA among the clients of a TLS listener, by whole ClientHellos and in pieces; and clients that are none."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.acme_challenge import asking, is_challenge, write
from tests.gate.conftest import CLIENT, NOWHERE, Gate, StartGate, address_of, closed, live_tls, route
from tests.log import Log
from tests.peers.sockets import reset, tcp_pair
from tests.pki import Authority, Pair
from wsgate.gate import acme_challenge as module
from wsgate.gate.connection import serve
from wsgate.net.plain import take_over
from wsgate.net.tls.acme_challenge import challenge_context
from wsgate.net.tls.contexts import listener_context
from wsgate.settings.model import Listener, Network, ProxyProtocol, TcpAddress, Tls
from wsgate.wire.client_hello import ClientHello, parse

HOST = "a.example.com"
NETWORK = Network(ipaddress.ip_network("192.0.2.0/24"))  # of CLIENT
HALF = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half of a ClientHello"
TIMEOUT = 10.0  # seconds: timeouts.handshake


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue(HOST)


@pytest.fixture
def pending(tmp_path: Path) -> dict[str, ssl.SSLContext]:
    return {HOST: challenge_context(write(tmp_path, HOST))}


class Client:
    """A client over TCP, as a listener of TCP has them."""

    def __init__(self, gate: Gate) -> None:
        ours, theirs = tcp_pair()
        gate.connections.start_soon(serve, gate.gateway, gate.listener, take_over(theirs), address_of(CLIENT))
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def shake_hands(self, context: ssl.SSLContext, name: str | None = HOST) -> Any:
        tls: Any = trio.SSLStream(self.stream, context, server_hostname=name)
        await tls.do_handshake()
        return tls


@pytest.fixture
def gate(start_gate: StartGate, pair: Pair, pending: dict[str, ssl.SSLContext]) -> Gate:
    """A gateway with a pending challenge."""
    gate = start_gate(route(NOWHERE))
    gate.listener.tls = live_tls(listener_context(Tls(certificate=pair.certificate, key=pair.key)))
    gate.gateway.acme_challenges = pending
    return gate


async def test_the_ca_sees_the_certificate_and_the_connection_ends(gate: Gate, log: Log) -> None:
    tls = await Client(gate).shake_hands(asking())
    assert is_challenge(tls.getpeercert(True))
    assert tls.selected_alpn_protocol() == "acme-tls/1"
    assert await tls.receive_some() == b""
    await tls.aclose()
    assert log.one("challenge answered")["client"] == CLIENT
    assert log.all("handshake failed") == []


async def test_a_ca_shows_no_certificate_of_its_own(gate: Gate, authority: Authority, pair: Pair) -> None:
    """And is asked for none, although other clients are."""
    settings = Tls(certificate=pair.certificate, key=pair.key, client_ca=authority.file)
    gate.listener.tls = live_tls(listener_context(settings))
    context = asking()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # so that the handshake itself fails without one
    tls = await Client(gate).shake_hands(context)
    assert is_challenge(tls.getpeercert(True))
    await tls.aclose()


@pytest.mark.parametrize(
    ("protocols", "name"),
    [
        (["http/1.1"], HOST),
        (["acme-tls/1", "http/1.1"], HOST),
        (["acme-tls/1"], "b.example.com"),
        (["acme-tls/1"], None),
    ],
)
async def test_others_never_see_it(gate: Gate, log: Log, protocols: list[str], name: str | None) -> None:
    tls = await Client(gate).shake_hands(asking(*protocols), name)
    assert not is_challenge(tls.getpeercert(True))
    await tls.send_all(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
    assert (await tls.receive_some()).startswith(b"HTTP/1.1 426 ")
    assert log.all("challenge answered") == []
    await tls.aclose()


async def test_without_a_challenge_nobody_sees_it(gate: Gate) -> None:
    gate.gateway.acme_challenges = {}
    tls = await Client(gate).shake_hands(asking())
    assert not is_challenge(tls.getpeercert(True))
    await tls.aclose()


async def answered(stream: trio.SocketStream, size: int = 1 << 14, before: bytes = b"") -> bool:
    """Does a CA's handshake, its ClientHello in pieces of ``size``. Returns whether it saw the challenge's."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ca = asking().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        ca.do_handshake()
    data = before + outgoing.read()
    for at in range(0, len(data), size):
        await stream.send_all(data[at : at + size])
        await trio.testing.wait_all_tasks_blocked()
    while True:
        incoming.write(await stream.receive_some())
        try:
            ca.do_handshake()
            break
        except ssl.SSLWantReadError:
            continue
    await stream.send_all(outgoing.read())
    return is_challenge(ca.getpeercert(True))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes there were at each look at a ClientHello."""
    sizes: list[int] = []

    def look(data: bytes) -> ClientHello | None:
        sizes.append(len(data))
        return parse(data)

    monkeypatch.setattr(module, "parse", look)
    return sizes


@pytest.mark.parametrize("size", [1, 100])
async def test_a_hello_in_pieces(gate: Gate, looks: list[int], size: int) -> None:
    """Each piece is looked at once."""
    client = Client(gate)
    assert await answered(client.stream, size)
    assert looks == sorted(set(looks))
    assert len(looks) > 1
    await client.stream.aclose()


async def test_behind_a_proxy_header(gate: Gate) -> None:
    gate.listener.settings = Listener(
        bind=TcpAddress("127.0.0.1", 443), tls=Tls(), proxy_protocol=ProxyProtocol(from_=(NETWORK,))
    )
    client = Client(gate)
    assert await answered(client.stream, before=b"PROXY TCP4 198.51.100.9 198.51.100.1 50000 443\r\n")
    await client.stream.aclose()


async def test_over_a_unix_socket_a_whole_hello_is_seen(gate: Gate) -> None:
    """Of one in pieces it cannot be waited for the rest."""
    assert await answered(gate.connect().stream)
    assert not await answered(gate.connect().stream, 100)


async def test_half_a_hello(gate: Gate, looks: list[int], log: Log, autojump_clock: MockClock) -> None:
    client = Client(gate)
    began = trio.current_time()
    await client.stream.send_all(HALF)
    with contextlib.suppress(trio.BrokenResourceError):  # it was not read, so the connection is reset
        await client.stream.receive_some()
    assert trio.current_time() - began == pytest.approx(TIMEOUT)
    assert len(looks) == 1
    assert log.one("handshake failed")["reason"] == "no TLS handshake within 10 s"
    await client.stream.aclose()


async def test_half_a_hello_and_its_end(gate: Gate, log: Log) -> None:
    client = Client(gate)
    await client.stream.send_all(HALF)
    await trio.testing.wait_all_tasks_blocked()
    await client.stream.send_eof()
    await client.stream.receive_some()
    await client.stream.aclose()
    assert log.one("handshake failed")["reason"] == "the peer ended the connection"


async def test_half_a_hello_and_a_reset(gate: Gate, log: Log) -> None:
    client = Client(gate)
    await client.stream.send_all(HALF)
    await trio.testing.wait_all_tasks_blocked()
    reset(client.stream.socket)
    await closed(gate)
    assert log.one("handshake failed")["reason"].startswith("the connection was lost")


async def test_half_a_hello_when_others_need_its_place(gate: Gate, log: Log, autojump_clock: MockClock) -> None:
    client = Client(gate)
    await client.stream.send_all(HALF)
    await trio.sleep(1)
    assert gate.gateway.end_silent(1) == 1
    with contextlib.suppress(trio.BrokenResourceError):
        await client.stream.receive_some()
    assert log.one("handshake failed")["reason"] == "others needed its place"
    await client.stream.aclose()


async def test_a_ca_that_does_not_end(gate: Gate, autojump_clock: MockClock) -> None:
    """Its connection is closed all the same."""
    client = Client(gate)
    assert await answered(client.stream)
    await trio.sleep(TIMEOUT)
    assert not gate.connections.child_tasks
    await client.stream.aclose()


async def test_hostile_bytes(gate: Gate, log: Log) -> None:
    for data in (b"\x16" * 20_000, b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xfc" + b"\xff" * 20_000, b"\x17" * 100):
        client = Client(gate)
        with contextlib.suppress(trio.BrokenResourceError):
            await client.stream.send_all(data)
            while await client.stream.receive_some():
                pass
        await client.stream.aclose()
    await closed(gate)
    assert len(log.all("handshake failed")) == 3


async def test_a_client_that_is_gone() -> None:
    ours, theirs = tcp_pair()
    with ours:
        reset(theirs)
        assert await module.asked_challenge(ours, {}) is None
