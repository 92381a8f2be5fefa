"""A process without sessions, on a virtual clock; and one with workers."""

from __future__ import annotations

import math
import signal

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from wsgate.gate.shared_counters import SharedCounters
from wsgate.ops.idle import CHECK_INTERVAL, IdleTimer
from wsgate.ops.lifecycle import Stage

from .running import Running, Start, close_from_client, send

LIMIT = 5.0


async def end_session(running: Running, stream: trio.SocketStream) -> None:
    await stream.send_all(close_from_client(1000))
    running.service.accept()[0].close()
    await stream.aclose()
    while running.gateway.counters.counts().sessions:  # noqa: ASYNC110 - memory tells nobody
        await trio.sleep(0.01)


async def test_it_ends_when_nobody_has_come(autojump_clock: MockClock, start: Start, log: Log) -> None:
    began = trio.current_time()
    running = await start(exit_when_idle=LIMIT)
    await running.stopped.wait()
    assert trio.current_time() - began == pytest.approx(LIMIT, abs=0.1)
    assert running.status == 0
    assert running.stages == [Stage.READY, Stage.STOPPING]
    assert log.one("idle") == {"reason": "no session for 5 s, which is what exit_when_idle gives it"}
    assert log.one("draining")["signal"] == "SIGTERM"


async def test_it_counts_from_the_end_of_the_last_session(autojump_clock: MockClock, start: Start) -> None:
    running = await start(exit_when_idle=LIMIT, route={"heartbeat": None})
    stream = await running.open()
    await trio.sleep(2 * LIMIT)
    assert not running.stopped.is_set()
    await end_session(running, stream)
    ended = trio.current_time()
    await running.stopped.wait()
    assert LIMIT <= trio.current_time() - ended + 0.1 <= LIMIT + CHECK_INTERVAL + 0.2


async def test_a_session_between_two_looks_counts(autojump_clock: MockClock, start: Start) -> None:
    running = await start(exit_when_idle=LIMIT)
    await trio.sleep(LIMIT - CHECK_INTERVAL / 2)
    await end_session(running, await running.open())
    ended = trio.current_time()
    assert ended < LIMIT
    await running.stopped.wait()
    assert trio.current_time() - ended >= LIMIT - 0.1


async def test_a_connection_that_is_no_session_keeps_nothing_up(autojump_clock: MockClock, start: Start) -> None:
    began = trio.current_time()
    running = await start(exit_when_idle=LIMIT)
    await trio.sleep(LIMIT - 1)
    await running.connect()
    await running.stopped.wait()
    assert trio.current_time() - began <= LIMIT + CHECK_INTERVAL + 1.5  # it has a second to ask for something


async def test_a_reload_sets_the_limit_and_takes_it_back(autojump_clock: MockClock, start: Start) -> None:
    running = await start()
    await trio.sleep(10 * LIMIT)
    assert not running.stopped.is_set()
    running.write(exit_when_idle=LIMIT)
    await running.reload()
    await trio.sleep(LIMIT / 2)
    running.write(exit_when_idle=None)
    await running.reload()
    await trio.sleep(10 * LIMIT)
    assert not running.stopped.is_set()
    running.write(exit_when_idle=LIMIT)
    await running.reload()
    began = trio.current_time()
    await running.stopped.wait()
    assert trio.current_time() - began == pytest.approx(LIMIT, abs=0.1)


async def test_a_signal_comes_first(autojump_clock: MockClock, start: Start) -> None:
    running = await start(exit_when_idle=LIMIT)
    began = trio.current_time()
    send(signal.SIGTERM)
    await running.stopped.wait()
    assert trio.current_time() - began < 1


def test_the_sessions_of_all_workers_count() -> None:
    board = SharedCounters(2)
    idle = IdleTimer(board.counts)
    assert idle.wait(LIMIT, 0.0) == CHECK_INTERVAL
    assert board.rows[1].enter(None)
    assert idle.wait(LIMIT, 100.0) == CHECK_INTERVAL
    board.rows[1].leave()
    assert idle.wait(LIMIT, 101.0) == CHECK_INTERVAL  # it has ended since the look before
    assert idle.wait(LIMIT, 105.5) == 0.5
    assert idle.wait(LIMIT, 106.0) == 0.0


def test_without_a_limit_there_is_nothing_to_look_at() -> None:
    assert IdleTimer(SharedCounters().counts).wait(None, 0.0) == math.inf
