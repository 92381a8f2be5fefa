"""Connections to a TLS listener, and TLS on a plain listener."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import CLIENT, NOWHERE, Gate, StartGate, files_at, live_tls, relay_to, route
from tests.log import Log
from tests.peers.frames import MASK, Frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context
from wsgate.gate import tls_handshake as secure_module
from wsgate.gate.silent_connections import GRACE
from wsgate.net.tls.contexts import listener_context
from wsgate.settings.model import Listener, TcpAddress, Tls

TIMEOUT = 10.0  # seconds: timeouts.handshake
CLOSE = 5.0  # seconds: timeouts.close
BIND = "127.0.0.1:80"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("gateway.test")
    return listener_context(Tls(certificate=pair.certificate, key=pair.key))


def secured(gate: Gate, context: ssl.SSLContext) -> Gate:
    gate.listener.tls = live_tls(context)
    return gate


async def over_tls(peer: Peer, client: ssl.SSLContext) -> Peer:
    """The same client, its handshake done."""
    stream: Any = trio.SSLStream(peer.stream, client, server_hostname="gateway.test")
    await stream.do_handshake()
    return Peer(stream, mask=MASK)


async def test_a_session(
    start_gate: StartGate, backend: Backend, authority: Authority, context: ssl.SSLContext, log: Log
) -> None:
    gate = secured(start_gate(route(relay_to(backend.port))), context)
    client = await over_tls(gate.connect(), client_context(authority))
    await client.write(request("/x"))
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    payload = bytes(range(256)) * 1000
    await client.send(Frame(2, payload))
    assert (await server.receive()).payload == payload
    await server.send(Frame(2, payload))
    assert (await client.receive()).payload == payload
    assert log.all("handshake failed") == []


async def test_files_one_after_the_other(
    start_gate: StartGate, tmp_path: Path, authority: Authority, context: ssl.SSLContext
) -> None:
    content = bytes(range(256)) * 2000
    (tmp_path / "a.bin").write_bytes(content)
    gate = secured(start_gate(route(files_at(tmp_path))), context)
    client = await over_tls(gate.connect(), client_context(authority))
    for _ in range(2):
        await client.write(plain_request("/a.bin"))
        await client.read_head()
        assert await client.read_body() == content


@pytest.mark.parametrize("pieces", [1, 7])
async def test_plain_http_gets_an_answer_a_person_understands(
    start_gate: StartGate, context: ssl.SSLContext, log: Log, pieces: int
) -> None:
    peer = secured(start_gate(route(NOWHERE)), context).connect()
    head = plain_request()
    for at in range(0, len(head), len(head) // pieces + 1):
        await peer.write(head[at : at + len(head) // pieces + 1])
    answer = await peer.read_head()
    assert (answer.status, answer.one("Connection")) == (400, "close")
    assert await peer.read_body() == b"400 this port speaks TLS: use https:// or wss://\n"
    await peer.read_end()
    line = log.one("refused")
    assert (line["status"], line["client"], line["reason"]) == (400, CLIENT, secure_module.PLAIN_HTTP.reason)


def hello(authority: Authority) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="gateway.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def both(gate: Gate, context: ssl.SSLContext) -> Gate:
    """With TLS, and without, on the one port."""
    gate.listener.settings = Listener(bind=TcpAddress("127.0.0.1", 80), tls=Tls(plaintext=True))
    return secured(gate, context)


@pytest.mark.parametrize("tls", [True, False])
async def test_with_plaintext_the_first_byte_decides(
    start_gate: StartGate, backend: Backend, authority: Authority, context: ssl.SSLContext, log: Log, tls: bool
) -> None:
    """And the backend gets the scheme."""
    gate = both(start_gate(route(relay_to(backend.port))), context)
    client = await over_tls(gate.connect(), client_context(authority)) if tls else gate.connect()
    await client.write(request("/x"))
    server = await backend.accept()
    asked = await server.read_head()
    assert asked.one("X-Forwarded-Proto") == ("https" if tls else "http")
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    await client.send(Frame(2, b"\x16"))
    assert (await server.receive()).payload == b"\x16"
    assert log.all("handshake failed") == []


async def test_plaintext_silent_client_gets_handshake_timeout_once(
    start_gate: StartGate, context: ssl.SSLContext, autojump_clock: MockClock
) -> None:
    peer = both(start_gate(route(NOWHERE)), context).connect()
    began = trio.current_time()
    await peer.read_end()
    assert trio.current_time() - began == pytest.approx(TIMEOUT)


@pytest.mark.parametrize("pieces", [1, 200])
async def test_tls_on_a_plain_listener_gets_an_alert(
    start_gate: StartGate, authority: Authority, log: Log, pieces: int
) -> None:
    """Whole, or its first byte alone."""
    peer = start_gate(route(NOWHERE)).connect()
    data = hello(authority)
    size = len(data) // pieces + 1
    for at in range(0, len(data), size):
        await peer.write(data[at : at + size])
        await trio.testing.wait_all_tasks_blocked()
    assert await peer.read(7) == bytes.fromhex("15 0301 0002 0228")  # alert, fatal, handshake_failure
    await peer.read_end()
    await peer.stream.aclose()
    line = log.one("handshake failed")
    assert (line["client"], line["listener"]) == (CLIENT, BIND)
    assert line["reason"].startswith("TLS spoken to a plain listener: ")
    assert log.all("refused") == []


async def test_to_the_client_that_alert_is_a_failed_handshake(start_gate: StartGate, authority: Authority) -> None:
    with pytest.raises(trio.BrokenResourceError) as caught:
        await over_tls(start_gate(route(NOWHERE)).connect(), client_context(authority))
    assert "ALERT_HANDSHAKE_FAILURE" in str(caught.value.__cause__)


async def test_a_byte_of_tls_inside_http_is_only_malformed(start_gate: StartGate, log: Log) -> None:
    peer = start_gate(route(NOWHERE)).connect()
    await peer.write(b"GET / ")
    await trio.testing.wait_all_tasks_blocked()
    await peer.write(b"\x16\x03\x01\r\n\r\n")
    assert (await peer.read_head()).status == 400


async def test_garbage(start_gate: StartGate, context: ssl.SSLContext, log: Log) -> None:
    peer = secured(start_gate(route(NOWHERE)), context).connect()
    await peer.write(b"\x00\xff" * 1000)
    await peer.read_end()
    await peer.stream.aclose()
    line = log.one("handshake failed")
    assert (line["client"], line["listener"], line["reason"]) == (CLIENT, BIND, "the peer does not speak TLS")


@pytest.mark.parametrize("said", ["nothing", "half a ClientHello", "a byte a second"])
async def test_too_slow(
    start_gate: StartGate,
    context: ssl.SSLContext,
    authority: Authority,
    log: Log,
    said: str,
    autojump_clock: MockClock,
) -> None:
    """It is closed at the handshake timeout, whatever it sends. A silent client is not logged."""
    peer = secured(start_gate(route(NOWHERE)), context).connect()
    began = trio.current_time()
    data = hello(authority)
    if said == "half a ClientHello":
        await peer.write(data[: len(data) // 2])
    elif said == "a byte a second":
        for at in range(int(TIMEOUT)):
            await peer.write(data[at : at + 1])
            await trio.sleep(1)
    await wait_end(peer)
    assert trio.current_time() - began == pytest.approx(TIMEOUT)
    lines = [line["reason"] for line in log.all("handshake failed")]
    assert lines == ([] if said == "nothing" else ["no TLS handshake within 10 s"])


async def wait_end(peer: Peer) -> None:
    """However the connection ends: what was not read of a client's bytes makes it a reset."""
    with contextlib.suppress(trio.BrokenResourceError):
        await peer.read_end()


async def test_others_need_its_place(
    start_gate: StartGate, authority: Authority, context: ssl.SSLContext, log: Log, mock_clock: MockClock
) -> None:
    """It counts as silent from its first byte on, and has its time of grace."""
    gate = secured(start_gate(route(NOWHERE)), context)
    peer = gate.connect()
    await peer.write(hello(authority))
    for seconds, ended in ((0.0, 0), (GRACE / 2, 0), (GRACE, 1)):
        mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        assert len(gate.gateway.silent) == 1
        assert gate.gateway.end_silent(1) == ended
    await peer.read_all()
    assert log.one("handshake failed")["reason"] == "others needed its place"
    assert len(gate.gateway.silent) == 0


async def test_a_failed_handshake_lingers_no_longer_than_a_close(
    start_gate: StartGate, context: ssl.SSLContext, autojump_clock: MockClock
) -> None:
    """So that the alert arrives; but the client need not take part in it."""
    peer = secured(start_gate(route(NOWHERE)), context).connect()
    began = trio.current_time()
    await peer.write(b"\x16\x03\x01\x00\x04" + b"\xff" * 5000)
    assert (await peer.read(7))[:1] == b"\x15"
    await peer.read_end()  # FIN is behind the alert, and nothing that is unread makes it a reset
    assert trio.current_time() == began
    with pytest.raises(trio.BrokenResourceError):
        await talk_on(peer)
    assert began + CLOSE <= trio.current_time() <= began + CLOSE + 1


async def talk_on(peer: Peer) -> None:
    while True:
        await trio.sleep(0.5)
        await peer.write(b"\x00")


async def test_a_drain_does_not_wait_for_who_says_nothing(
    start_gate: StartGate, context: ssl.SSLContext, authority: Authority, autojump_clock: MockClock
) -> None:
    gate = secured(start_gate(route(NOWHERE)), context)
    silent = gate.connect()
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    gate.gateway.stop_accepting()
    await silent.read_end()
    assert trio.current_time() == began
    late = gate.connect()  # it was in the kernel's queue
    await late.read_end()
    assert trio.current_time() == began + 1.0
    asking = await over_tls(gate.connect(), client_context(authority))
    await asking.write(request("/"))
    assert (await asking.read_head()).status == 503


@pytest.mark.parametrize("when", ["before the handshake", "within the handshake"])
async def test_cancelled_nothing_stays_open(
    start_gate: StartGate, context: ssl.SSLContext, authority: Authority, when: str
) -> None:
    gate = secured(start_gate(route(NOWHERE)), context)
    peer = gate.connect()
    if when == "within the handshake":
        await peer.write(hello(authority)[:100])
    await trio.testing.wait_all_tasks_blocked()
    gate.connections.cancel_scope.cancel()
    await wait_end(peer)


async def test_a_client_that_is_gone_before_its_handshake(
    start_gate: StartGate, context: ssl.SSLContext, log: Log
) -> None:
    peer = secured(start_gate(route(NOWHERE)), context).connect()
    await peer.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert log.records == []
