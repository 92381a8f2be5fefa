"""The messages between parent and worker; both ends are in this process."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.descriptors import descriptors
from tests.log import Log
from wsgate.ops.listeners import close_listeners
from wsgate.ops.reserved import Inheritance, Reservations
from wsgate.ops.worker_channel import Report, ToParent, ToWorker
from wsgate.settings.model import (
    Listener,
    Match,
    PathKind,
    PathPattern,
    Route,
    Settings,
    Target,
    TcpAddress,
    Tunnel,
    UnixAddress,
)

NOWHERE = Tunnel(to=(Target(UnixAddress("/nonexistent")),))


def settings(*listeners: Listener, routes: int = 1) -> Settings:
    match = Match(path=PathPattern(PathKind.EXACT, "/x"))
    return Settings(
        listeners=listeners, routes=tuple(Route(name=f"r{n}", match=match, action=NOWHERE) for n in range(routes))
    )


class Pair:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.parent = ToWorker(ours)
        self.worker = ToParent(theirs, settings(), Inheritance([]))
        self.ends = (ours, theirs)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    for end in pair.ends:
        end.close()


async def test_orders_come_as_signals(pair: Pair) -> None:
    pair.parent.stop(signal.SIGINT)
    pair.parent.stop(signal.SIGTERM)
    assert [await anext(pair.worker), await anext(pair.worker)] == [signal.SIGINT, signal.SIGTERM]


async def test_an_order_is_waited_for(pair: Pair, nursery: trio.Nursery) -> None:
    got: list[int] = []

    async def listen() -> None:
        async for number in pair.worker:
            got.append(number)

    nursery.start_soon(listen)
    await trio.testing.wait_all_tasks_blocked()
    assert got == []
    pair.parent.stop(signal.SIGTERM)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert got == [signal.SIGTERM]
    nursery.cancel_scope.cancel()


async def test_a_reload_brings_settings_and_sockets(pair: Pair, tmp_path: Path) -> None:
    """Settings larger than any message."""
    before = descriptors()
    path = Listener(bind=UnixAddress(str(tmp_path / "s")))
    tcp = Listener(bind=TcpAddress("127.0.0.1", 0))
    reserved = Reservations([])
    new = settings(path, tcp, routes=5000)
    pair.parent.reload(new, reserved.change(new.listeners))
    assert await anext(pair.worker) == signal.SIGHUP
    assert pair.worker.load() == new
    sockets = pair.worker.open_more([path, tcp])
    assert [sock.getsockname() for sock in sockets] == [
        str(tmp_path / "s"),
        ("127.0.0.1", reserved.addresses[1].port),  # type: ignore[union-attr]
    ]
    close_listeners(sockets)
    reserved.close()
    assert descriptors() == before


async def test_the_last_of_two_reloads_counts(pair: Pair) -> None:
    for routes in (2, 3):
        pair.parent.reload(settings(routes=routes), [])
    assert [await anext(pair.worker), await anext(pair.worker)] == [signal.SIGHUP] * 2
    assert len(pair.worker.load().routes) == 3


async def test_a_parent_that_dies_is_a_signal_to_stop(pair: Pair, log: Log, autojump_clock: MockClock) -> None:
    """Once: it must not count as the second signal too."""
    pair.parent.stop(signal.SIGHUP)
    pair.parent.channel.close()
    assert [await anext(pair.worker), await anext(pair.worker)] == [signal.SIGHUP, signal.SIGTERM]
    assert log.events() == ["parent died"]
    with trio.move_on_after(3600) as scope:
        await anext(pair.worker)
    assert scope.cancelled_caught
    pair.worker.report(Report.READY)  # the other end is gone, and nothing happens


async def test_a_parent_that_died_with_unread_reports(pair: Pair) -> None:
    """A reset then, not an end."""
    pair.worker.report(Report.READY)
    pair.parent.channel.close()
    assert await anext(pair.worker) == signal.SIGTERM


def test_reports(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        pair.parent.receive()
    pair.worker.report(Report.BUSY)
    pair.worker.report(Report.READY)
    pair.worker.report(Report.FAILED, "cannot listen on [::]:80: " + "x" * 10_000)
    assert pair.parent.receive() == (Report.BUSY, "")
    assert pair.parent.receive() == (Report.READY, "")
    said = pair.parent.receive()
    assert said is not None
    assert said[0] is Report.FAILED
    assert said[1].startswith("cannot listen on [::]:80: xxx")
    pair.ends[1].close()
    assert pair.parent.receive() is None


def test_a_worker_that_died_with_unread_orders(pair: Pair) -> None:
    pair.parent.stop(signal.SIGTERM)
    pair.ends[1].close()
    assert pair.parent.receive() is None


def test_a_worker_that_is_dead_or_stuck_holds_nobody_up(pair: Pair, log: Log) -> None:
    while not log.records:  # until it would block
        pair.parent.stop(signal.SIGTERM)
    pair.ends[1].close()
    before = descriptors()
    pair.parent.reload(settings(), [])
    # once: the end of one that is dead is seen otherwise
    assert log.events() == ["worker does not listen"]
    assert descriptors() == before
