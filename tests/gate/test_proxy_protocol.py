"""Receiving the PROXY header: from which peers, with which deadline, and which bytes stay behind it."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import struct
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import CLIENT, NOWHERE, Gate, StartGate, address_of, closed, live_tls, relay_to, route
from tests.log import Log
from tests.peers.frames import TEXT, Frame
from tests.peers.heads import plain_request, request
from tests.peers.sockets import reset, tcp_pair
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context, server_context
from wsgate.gate import connection
from wsgate.net.plain import take_over
from wsgate.settings.model import (
    Defaults,
    Listener,
    Network,
    ProxyProtocol,
    TcpAddress,
    Timeouts,
    Tls,
)

BIND = "127.0.0.1:80"
BALANCER = Network(ipaddress.ip_network("192.0.2.0/24"))  # has CLIENT in it
STRANGE = "203.0.113.9:1"
V1 = b"PROXY TCP4 198.51.100.1 192.0.2.7 4711 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(
    "!H4B4BHH3s", 15, 198, 51, 100, 1, 192, 0, 2, 7, 4711, 443, b"\4\0\0"
)
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
HANDSHAKE = Timeouts().handshake


def behind_balancer(gate: Gate, *, unix: bool = False, tls: Tls | None = None) -> Gate:
    networks = (Network(None),) if unix else (BALANCER,)
    gate.listener.settings = Listener(
        bind=TcpAddress("127.0.0.1", 80), tls=tls, proxy_protocol=ProxyProtocol(from_=networks)
    )
    return gate


# -- a balancer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("pace", ["at once", "header first", "byte by byte"])
async def test_the_client_is_whom_the_header_names(
    start_gate: StartGate, backend: Backend, log: Log, header: bytes, pace: str
) -> None:
    """And not a byte behind it is lost, or taken for part of it."""
    peer = behind_balancer(start_gate(route(relay_to(backend.port)))).connect()
    asked = request() + Frame(TEXT, b"early").encode(b"\0\1\2\3")
    pieces = {
        "at once": [header + asked],
        "header first": [header, asked],
        "byte by byte": [bytes([byte]) for byte in header + asked],
    }
    for piece in pieces[pace]:
        await peer.write(piece)
        await trio.testing.wait_all_tasks_blocked()
    server = await backend.accept_request()
    assert server.head.one("X-Forwarded-For") == "198.51.100.1"
    await server.accept_upgrade()
    assert (await peer.read_head()).status == 101
    assert await server.receive() == Frame(TEXT, b"early")
    opened = log.one("opened")
    assert (opened["client"], opened["peer"]) == ("198.51.100.1:4711", CLIENT)


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"], ids=["v2", "v1"])
async def test_a_balancer_that_speaks_for_itself(start_gate: StartGate, log: Log, header: bytes) -> None:
    """Its health check is answered as if there were no header."""
    peer = behind_balancer(start_gate(route(NOWHERE))).connect()
    await peer.write(header + plain_request())
    assert (await peer.read_head()).status == 426
    line = log.one("refused")
    assert line["client"] == CLIENT
    assert "peer" not in line


async def test_a_health_check_that_only_connects(start_gate: StartGate, log: Log) -> None:
    gate = behind_balancer(start_gate(route(NOWHERE)))
    await gate.connect().vanish()
    checked = gate.connect()
    await checked.write(LOCAL)
    await checked.vanish()
    await closed(gate)
    assert log.records == []


async def test_a_balancer_on_a_unix_socket(start_gate: StartGate, log: Log) -> None:
    peer = behind_balancer(start_gate(route(NOWHERE)), unix=True).connect("unix:/run/wsgate.sock")
    await peer.write(V2 + plain_request())
    assert (await peer.read_head()).status == 426
    line = log.one("refused")
    assert (line["client"], line["peer"]) == ("198.51.100.1:4711", "unix:/run/wsgate.sock")


@pytest.mark.parametrize("apart", [True, False])
async def test_tls_behind_the_header(start_gate: StartGate, log: Log, tmp_path: Path, apart: bool) -> None:
    authority = Authority(tmp_path)
    server = server_context(authority.issue("gateway.test"))
    gate = behind_balancer(start_gate(route(NOWHERE)), tls=Tls())
    gate.listener.tls = live_tls(server)
    peer = gate.connect()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="gateway.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    for piece in [V1, hello] if apart else [V1 + hello]:
        await peer.write(piece)
        await trio.testing.wait_all_tasks_blocked()
    answer = b""
    while not answer:
        incoming.write(await peer.stream.receive_some())
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            if outgoing.pending:  # the end of the handshake
                tls.write(plain_request())
                await peer.write(outgoing.read())
            answer = tls.read()
    assert answer.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    line = log.one("refused")
    assert (line["client"], line["peer"]) == ("198.51.100.1:4711", CLIENT)


# -- all others --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", V1, V2 + plain_request(), plain_request()])
async def test_a_stranger_is_closed_at_once(start_gate: StartGate, log: Log, data: bytes) -> None:
    gate = behind_balancer(start_gate(route(NOWHERE)))
    peer = gate.connect(STRANGE)
    if data:
        await peer.write(data)
    await ended(peer)
    assert log.one("proxy protocol failed") == {
        "client": STRANGE,
        "listener": BIND,
        "reason": "the peer is not in proxy_protocol.from: add it if it is your balancer",
    }
    await closed(gate)


async def ended(peer: Peer) -> None:
    """Without an answer: by FIN, or where something was not read, by RST."""
    with contextlib.suppress(trio.BrokenResourceError):
        await peer.read_end()


CURE = ": let it send one (HAProxy: send-proxy-v2), or take proxy_protocol from the listener"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (plain_request(), "no PROXY header in front of the first byte"),
        (b"\x16\x03\x01\x02\x00", "no PROXY header in front of the first byte"),
        (V2.replace(b"\x21\x11", b"\x31\x11") + plain_request(), "PROXY header with version and command 0x31"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 66666\r\n", "PROXY line with an address or port that is none of TCP4"),
    ],
)
async def test_a_balancer_without_a_header(start_gate: StartGate, log: Log, data: bytes, reason: str) -> None:
    gate = behind_balancer(start_gate(route(NOWHERE)))
    peer = gate.connect()
    await peer.write(data)
    await ended(peer)
    line = log.one("proxy protocol failed")
    assert (line["client"], line["listener"]) == (CLIENT, BIND)
    assert line["reason"].startswith(reason)
    assert line["reason"].endswith(CURE)


@pytest.mark.parametrize("beginning", [V1[:-1], V2[:-1], b"P", LOCAL[:-1]])
async def test_a_header_that_is_cut_off(start_gate: StartGate, log: Log, beginning: bytes) -> None:
    peer = behind_balancer(start_gate(route(NOWHERE))).connect()
    await peer.write(beginning)
    await peer.stream.send_eof()
    await ended(peer)
    assert log.one("proxy protocol failed")["reason"] == "the PROXY header did not end" + CURE


async def test_a_header_that_never_ends(
    start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock
) -> None:
    """The deadline for the whole header closes the connection; others are not affected."""
    gate = start_gate(route(relay_to(backend.port)))
    peer = gate.connect()
    await peer.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade()
    await peer.read_head()
    slow = behind_balancer(gate).connect()
    began = trio.current_time()
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xf0" + bytes(4000)
    for byte in header:
        await slow.write(bytes([byte]))
        await trio.sleep(0.3)
        if log.all("proxy protocol failed"):
            break
    assert trio.current_time() - began == pytest.approx(HANDSHAKE, abs=0.3)
    await ended(slow)
    assert log.one("proxy protocol failed")["reason"] == f"the PROXY header did not end within {HANDSHAKE:g} s{CURE}"
    await peer.send(Frame(TEXT, b"still here"))
    assert await server.receive() == Frame(TEXT, b"still here")


async def test_a_balancer_that_says_nothing(start_gate: StartGate, log: Log, autojump_clock: MockClock) -> None:
    gate = behind_balancer(start_gate(route(NOWHERE), defaults=Defaults(timeouts=Timeouts(handshake=3.0))))
    peer = gate.connect()
    began = trio.current_time()
    await peer.read_end()
    assert trio.current_time() - began == 3.0
    assert log.records == []


async def test_a_drain_does_not_wait_for_a_header(start_gate: StartGate) -> None:
    """A connection that has sent nothing is closed; one that has begun its header may finish, and gets an answer."""
    gate = behind_balancer(start_gate(route(relay_to(1))))
    silent, begun = gate.connect(), gate.connect()
    await begun.write(V1[:-1])
    await trio.testing.wait_all_tasks_blocked()
    gate.gateway.stop_accepting()
    await silent.read_end()
    await begun.write(V1[-1:] + request())
    assert (await begun.read_head()).status == 503


@pytest.mark.parametrize("header", [V1, V2])
async def test_a_header_where_none_is_expected(start_gate: StartGate, log: Log, header: bytes) -> None:
    peer = start_gate(route(NOWHERE)).connect()
    await peer.write(header + plain_request())
    assert (await peer.read_head()).status == 400
    await peer.read_body()
    await peer.read_end()
    line = log.one("refused")
    assert line["client"] == CLIENT
    assert line["detail"] == connection.UNEXPECTED_PROXY_HEADER.detail


async def test_a_balancer_that_resets_its_connection(start_gate: StartGate, log: Log) -> None:
    gate = behind_balancer(start_gate(route(NOWHERE)))
    accepted, client = tcp_pair()
    client.send(V1[:-1])
    gate.connections.start_soon(connection.serve, gate.gateway, gate.listener, take_over(accepted), address_of(CLIENT))
    await trio.testing.wait_all_tasks_blocked()
    reset(client)
    await closed(gate)
    assert log.one("proxy protocol failed")["reason"] == "the PROXY header did not end" + CURE
    assert log.all("bug") == []
