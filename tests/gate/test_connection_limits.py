"""The gateway's limits hold for all workers together, and waiting connections do not use them up."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.gate.conftest import NOWHERE, StartGate, at, closed, live_tls, relay_to, route, tunnel_to
from tests.log import Log
from tests.peers.frames import close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer, open_session
from tests.pki import Authority, client_context
from wsgate.gate.handshake_limiter import HandshakeLimiter
from wsgate.gate.shared_counters import Counts, SharedCounters
from wsgate.net.tls.contexts import listener_context
from wsgate.settings.model import Limits, Tls

ONE = Limits(sessions=1)


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_full_gateway_says_so_and_asks_no_backend(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=ONE)
    first = gate.connect()
    server = await open_session(first, backend)

    second = gate.connect()
    await second.write(request())
    head = await second.read_head()
    assert (head.status, head.one("Retry-After")) == (503, "5")
    assert log.one("refused")["reason"] == "the gateway is full: try again later"
    assert gate.gateway.counters.sessions == 1

    for peer in (first, server):
        await peer.send(close_frame(1000))
    await server.vanish()
    await first.vanish()
    await second.vanish()
    await closed(gate)
    third = gate.connect()
    await open_session(third, backend)  # the next that the backend saw: it was not asked for the second
    assert gate.gateway.counters.sessions == 1


async def test_as_many_as_there_are_descriptors_for(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=Limits(sessions=None))
    gate.gateway.descriptor_sessions = 1
    await open_session(gate.connect(), backend)
    second = gate.connect()
    await second.write(request())
    assert (await second.read_head()).status == 503
    gate.gateway.descriptor_sessions = None
    await open_session(gate.connect(), backend)


async def test_a_last_place_that_another_worker_took_meanwhile(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=ONE)
    board = SharedCounters(2)
    gate.gateway.counters = board.rows[0]
    client = gate.connect()
    await client.write(request())
    server = await backend.accept_request()
    assert board.rows[1].enter(1)
    await server.accept_upgrade()
    assert (await client.read_head()).status == 503
    await server.read_end()
    await client.vanish()
    await closed(gate)
    assert board.counts() == Counts(sessions=1, ended=0, cut=0)


async def test_places_of_sessions_that_did_not_come_about(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = start_gate(route(relay_to(backend.port)), limits=ONE)
    client = gate.connect()
    await client.write(request())
    server = await backend.accept_request()
    gate.gateway.draining = True  # since the handshake began
    await server.accept_upgrade()
    assert (await client.read_head()).status == 503
    await client.vanish()
    await closed(gate)
    gate.gateway.draining = False
    client = gate.connect()
    await open_session(client, backend)


async def test_counts(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port)))
    board = SharedCounters()
    gate.gateway.counters = board.rows[0]
    first, second = gate.connect(), gate.connect()
    server = await open_session(first, backend)
    await open_session(second, backend)
    assert board.counts() == Counts(sessions=2, ended=0, cut=0)
    await first.vanish()
    await server.vanish()
    while len(gate.gateway.sessions) == 2:
        await trio.lowlevel.checkpoint()
    assert board.counts() == Counts(sessions=1, ended=1, cut=0)
    gate.connections.cancel_scope.cancel()
    await closed(gate)
    assert board.counts() == Counts(sessions=0, ended=2, cut=1)


# -- handshakes --------------------------------------------------------------------------------------------------------


class Counted(HandshakeLimiter):
    """Counts the calls, by connection."""

    def __init__(self) -> None:
        super().__init__(64)
        self.taken = 0

    async def take(self) -> None:
        self.taken += 1
        await super().take()


async def test_silence_slowness_and_dead_backends_keep_nobody_out(
    start_gate: StartGate, backend: Backend, mock_clock: trio.testing.MockClock
) -> None:
    """With a limit of one handshake at a time; virtual time stands still, so no timeout helps."""
    gate = start_gate(
        route(relay_to(backend.port), "slow", match=at("/slow")),
        route(tunnel_to(backend.port), "quick", match=at("/quick")),
        limits=Limits(handshakes=1),
    )
    silent = [gate.connect() for _ in range(20)]
    slow = [gate.connect() for _ in range(20)]
    waiting = [gate.connect() for _ in range(20)]
    for peer in waiting:
        await peer.write(request("/slow"))
        await backend.accept_request()  # and no answer
    head = request("/quick")
    for octet in head[:-1]:
        for peer in slow:
            await peer.write(bytes([octet]))
        await trio.testing.wait_all_tasks_blocked()
    quick = gate.connect()
    await quick.write(head)
    await backend.accept()
    assert (await quick.read_head()).status == 101
    assert len(gate.connections.child_tasks) == len(silent) + len(slow) + len(waiting)
    assert len(gate.gateway.sessions) == 1


async def test_a_herd_is_served_in_parts(start_gate: StartGate, log: Log) -> None:
    """Between two parts, other tasks run."""
    gate = start_gate(route(NOWHERE, match=at("/elsewhere")), limits=Limits(handshakes=4))
    herd = [gate.connect() for _ in range(60)]
    await trio.testing.wait_all_tasks_blocked()
    for peer in herd:
        await peer.write(plain_request("/"))
    before = len(log.all("refused"))
    most = 0
    while before < len(herd):
        await trio.lowlevel.checkpoint()
        now = len(log.all("refused"))
        most = max(most, now - before)
        before = now
    assert most <= 8


async def test_where_turns_are_taken(start_gate: StartGate, backend: Backend) -> None:
    """Once for what the client sent, once for what the backend answered."""
    gate = start_gate(route(relay_to(backend.port)))
    gate.gateway.handshake_limiter = turns = Counted()
    client = gate.connect()
    await trio.testing.wait_all_tasks_blocked()
    assert turns.taken == 0
    await client.write(request())
    server = await backend.accept_request()
    assert turns.taken == 1
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    assert turns.taken == 2


async def test_tls_takes_a_turn_before_the_first(start_gate: StartGate, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    gate = start_gate(route(NOWHERE))
    pair = authority.issue("gateway.test")
    gate.listener.tls = live_tls(listener_context(Tls(certificate=pair.certificate, key=pair.key)))
    gate.gateway.handshake_limiter = turns = Counted()
    client = gate.connect()
    await trio.testing.wait_all_tasks_blocked()
    assert turns.taken == 0
    tls = trio.SSLStream(client.stream, client_context(authority), server_hostname="gateway.test")
    await tls.do_handshake()
    assert turns.taken == 1
    await tls.send_all(plain_request())
    await tls.receive_some()
    assert turns.taken == 2


async def test_heads_are_bounded_by_the_settings(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """A request's and its target's; and as much for the head of a backend's answer."""
    gate = start_gate(route(relay_to(backend.port)), limits=Limits(head=2048, target=1024))

    async def ask(target: int, cookie: int) -> Peer:
        peer = gate.connect()
        await peer.write(request("/" + "x" * (target - 1), headers={"Cookie": "c" * cookie}))
        return peer

    assert (await (await ask(1025, 1)).read_head()).status == 414
    assert (await (await ask(1, 2048)).read_head()).status == 431
    for cookie, status in ((1500, 101), (2048, 502)):
        peer = await ask(1024, 700)
        server = await backend.accept_request()
        await server.accept_upgrade({"Set-Cookie": "c" * cookie})
        assert (await peer.read_head()).status == status
    detail = log.all("refused")[-1]["detail"]
    assert detail == f"ws://127.0.0.1:{backend.port}: its answer's head has more than 2048 bytes: raise limits.head"
