"""A gateway that gives a part of its sessions away."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
import trio.testing

from tests.gate.conftest import StartGate, relay_to, route
from tests.log import Log
from tests.peers.frames import close_frame
from tests.peers.stream import Backend, open_session
from tests.relay import joined
from wsgate.gate import session_moves
from wsgate.gate.session_moves import SessionMoves, sample
from wsgate.relay.registry import Registry
from wsgate.relay.session import Session


class Counted(Session):
    """A session without legs, which notes when it is moved."""

    def __init__(self, id: str, sessions: Registry) -> None:
        self.info = replace(joined.INFO, id=id)
        self.moved: list[float] = []
        sessions.add(self)

    @property
    def is_open(self) -> bool:
        return not self.moved

    def move(self, detail: str) -> None:
        assert detail == "the gateway gives a part of its sessions away"
        self.moved.append(trio.current_time())


@pytest.fixture
def virtual_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


def told(sessions: list[Counted]) -> list[float]:
    return sorted(at for each in sessions for at in each.moved)


async def test_each_has_a_time_of_its_own(
    nursery: trio.Nursery, log: Log, virtual_clock: trio.testing.MockClock
) -> None:
    registry, moves = Registry(), SessionMoves()
    sessions = [Counted(str(number), registry) for number in range(40)]
    nursery.start_soon(session_moves.watch, moves, registry)
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    moves.ask([each.info.id for each in sessions], 20.0)
    await trio.sleep(20)
    assert [int((at - began) / 0.5) for at in told(sessions)] == list(range(40))
    assert log.all("sessions move")[0]["sessions"] == 40
    assert log.all("sessions move")[0]["over"] == 20.0
    assert [(line["sessions"], line["left"]) for line in log.all("sessions moved")] == [(40, 0)]


async def test_the_next_move_ends_the_one_before(
    nursery: trio.Nursery, log: Log, virtual_clock: trio.testing.MockClock
) -> None:
    registry, moves = Registry(), SessionMoves()
    sessions = [Counted(str(number), registry) for number in range(10)]
    nursery.start_soon(session_moves.watch, moves, registry)
    ids = [each.info.id for each in sessions]
    moves.ask(ids[:6], 6.0)
    await trio.sleep(3)
    assert len(told(sessions)) == 3
    moves.ask(["gone", *ids[6:]], 5.0)
    await trio.sleep(5)
    assert len(told(sessions)) == 7
    moves.ask(ids, 10.0)
    moves.ask([], 0.0)
    await trio.sleep(20)
    assert len(told(sessions)) == 7
    assert [(line["sessions"], line["left"]) for line in log.all("sessions moved")] == [(3, 3), (4, 1)]


async def test_all_at_once(nursery: trio.Nursery, log: Log) -> None:
    registry, moves = Registry(), SessionMoves()
    sessions = [Counted(str(number), registry) for number in range(3)]
    nursery.start_soon(session_moves.watch, moves, registry)
    moves.ask([each.info.id for each in sessions], 0.0)
    await trio.testing.wait_all_tasks_blocked()
    assert len(told(sessions)) == 3
    assert log.events() == ["sessions move", "sessions moved"]


async def test_clients_are_told(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    client = gate.connect()
    server = await open_session(client, backend)
    gate.connections.start_soon(session_moves.watch, gate.gateway.session_moves, gate.gateway.sessions)
    gate.gateway.session_moves.ask(["1"], 0.0)
    for peer in (client, server):
        assert await peer.receive_close() == (1012, "the gateway moves this session")
        await peer.send(close_frame(1012))
    await client.read_end()
    await server.stream.aclose()
    await client.stream.aclose()
    while gate.gateway.sessions:
        await trio.testing.wait_all_tasks_blocked()
    line = log.one("session")
    assert (line["reason"], line["detail"]) == ("moved", "the gateway gives a part of its sessions away")


@pytest.mark.parametrize(("share", "few", "many"), [(0, 0, 1), (25, 25, 26), (0.5, 0, 1), (100, 100, 100)])
def test_a_sample(share: float, few: int, many: int) -> None:
    ids = [str(number) for number in range(100)]
    for _ in range(20):
        found = sample(ids, share)
        assert few <= len(found) <= many
        assert set(found) <= set(ids)
        assert len(set(found)) == len(found)
    assert sample([], share) == []


def test_parts_of_a_session_are_a_matter_of_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    for chance, number in ((0.0, 0), (0.5, 1), (0.9, 1)):
        monkeypatch.setattr("random.random", lambda chance=chance: chance)
        assert len(sample(["a", "b"], 25)) == number
