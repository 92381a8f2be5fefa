"""From the first signal to the exit status, inside this process."""

from __future__ import annotations

import signal
import socket
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from tests.peers.heads import request
from wsgate.net.resolver import Resolver
from wsgate.ops import drain
from wsgate.ops.lifecycle import Stage
from wsgate.settings.model import Drain, Timeouts

from .running import Running, Start, close_from_client, close_to_client, send


def last_line(log: Log) -> dict[str, Any]:
    assert log.events()[-1] == "stopped"
    return log.one("stopped")


async def stop(running: Running, *, within: float = 1.0) -> None:
    with trio.fail_after(within):
        await running.stopped.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_without_sessions_a_signal_ends_it_at_once(autojump_clock: MockClock, start: Start, number: int) -> None:
    running = await start()
    assert running.gateway.ready
    send(number)
    await stop(running)
    assert running.status == 0
    assert running.stages == [Stage.READY, Stage.STOPPING]


async def test_sessions_are_told_and_waited_for(autojump_clock: MockClock, start: Start, log: Log) -> None:
    running = await start(drain=Drain(code=1012))
    stream = await running.open()
    idle = await running.connect()
    await trio.testing.wait_all_tasks_blocked(0.02)
    send(signal.SIGTERM)
    assert await stream.receive_some() == close_to_client(1012)
    assert await idle.receive_some() == b""  # it had asked for nothing
    with pytest.raises(OSError, match="connect"):
        await running.connect()
    assert not running.gateway.ready
    await stream.send_all(close_from_client(1012))
    running.service.accept()[0].close()
    await stream.aclose()
    await stop(running)
    assert running.status == 0
    assert last_line(log) == {"ended": 1, "cut": 0}


PATIENT = {"timeouts": Timeouts(close=600), "heartbeat": None}  # leaves everything to the drain


async def receive(stream: trio.SocketStream, told: list[float]) -> None:
    assert await stream.receive_some() == close_to_client(1001)
    told.append(trio.current_time())


async def test_who_does_not_answer_is_cut_when_the_grace_is_over(
    autojump_clock: MockClock, start: Start, log: Log
) -> None:
    """The grace begins when the last session has got its Close."""
    running = await start(route=PATIENT, drain=Drain(grace=3, spread=20))
    told: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(receive, await running.open(), told)
        began = trio.current_time()
        send(signal.SIGTERM)
    await running.stopped.wait()
    assert 3 * drain.SLOT <= max(told) - began <= 4 * drain.SLOT
    assert trio.current_time() - max(told) == pytest.approx(3)
    assert running.status == 1
    assert last_line(log) == {"ended": 0, "cut": 4}


async def test_it_does_not_wait_for_the_end_of_the_spread(
    autojump_clock: MockClock,
    start: Start,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drain, "SLOT", 1000)
    running = await start(drain=Drain(spread=3000))
    streams = [await running.open() for _ in range(3)]
    send(signal.SIGTERM)
    await trio.testing.wait_all_tasks_blocked(0.02)
    for stream in streams:
        running.service.accept()[0].close()
        await stream.aclose()
    await stop(running)
    assert running.status == 0
    assert last_line(log) == {"ended": 3, "cut": 0}


async def test_during_the_delay_everything_goes_on(autojump_clock: MockClock, start: Start, log: Log) -> None:
    """Only balancers see a difference."""
    running = await start(route=PATIENT, drain=Drain(delay=7, spread=0, grace=3))
    told: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive, await running.open(), told)
        began = trio.current_time()
        send(signal.SIGTERM)
        await trio.sleep(6.5)
        assert not running.gateway.ready
        assert running.stages == [Stage.READY, Stage.STOPPING]
        nursery.start_soon(receive, await running.open(), told)
    assert [time - began for time in told] == pytest.approx([7, 7])
    await running.stopped.wait()
    assert trio.current_time() - began == pytest.approx(10)
    assert last_line(log) == {"ended": 0, "cut": 2}


async def test_who_had_connected_is_answered(autojump_clock: MockClock, start: Start) -> None:
    """In the kernel's queue when the listener is closed: a reset would tell nothing.

    Who is accepted in the same turn as the signal may still get a session, and then the Close of all sessions.
    """
    running = await start(route=PATIENT, drain=Drain(spread=0, grace=60))
    session = await running.open()
    send(signal.SIGTERM)
    late = socket.create_connection(running.reach())  # before any other task has run
    late.sendall(request("/t"))
    await session.receive_some()
    late.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(late))
    answer = b""
    while not answer.startswith(b"HTTP/1.1 503 ") and not answer.endswith(close_to_client(1001)):
        received = await stream.receive_some()
        assert received, answer
        answer += received
    await stream.aclose()


@pytest.mark.parametrize("stage", ["delay", "spread", "grace"])
async def test_a_second_signal_cuts_at_once(autojump_clock: MockClock, start: Start, log: Log, stage: str) -> None:
    during = {"delay": {"delay": 60}, "spread": {"spread": 600}, "grace": {"grace": 60}}[stage]
    running = await start(route=PATIENT, drain=Drain(**{"spread": 0, **during}))
    for _ in range(10):
        await running.open()
    send(signal.SIGINT)
    await trio.testing.wait_all_tasks_blocked(0.01)
    before = trio.current_time()
    send(signal.SIGTERM)
    await running.stopped.wait()
    assert trio.current_time() - before < 1
    assert running.status == 1
    assert last_line(log) == {"ended": 0, "cut": 10}


async def test_a_reload_while_stopping_is_ignored(autojump_clock: MockClock, start: Start, log: Log) -> None:
    running = await start(route=PATIENT, drain=Drain(delay=5, spread=0, grace=5))
    await running.open()
    send(signal.SIGTERM)
    for _ in range(2):
        await trio.sleep(4)
        send(signal.SIGHUP)
    await running.stopped.wait()
    assert [getattr(record, "event", "") for record in log.records].count("reload ignored") == 2
    assert running.loads == 0
    assert running.stages == [Stage.READY, Stage.STOPPING]


async def test_without_a_file_there_is_nothing_to_reload(start: Start, log: Log) -> None:
    running = await start(has_file=False)
    await running.reload()
    assert log.records[-1].event == "reload refused"  # type: ignore[attr-defined]
    await running.open()


async def test_names_are_looked_up_by_our_own_resolver(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads are separate from others."""

    async def getaddrinfo(self: Resolver, host: bytes, *rest: Any) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        return [host]

    monkeypatch.setattr(Resolver, "getaddrinfo", getaddrinfo)
    running = await start()
    found: list[Any] = await trio.socket.getaddrinfo(b"service.test", 80)
    assert found == [b"service.test"]
    send(signal.SIGTERM)
    await stop(running)
