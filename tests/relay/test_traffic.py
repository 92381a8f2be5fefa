"""What an open session has moved is known at any time, and is told once."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

from tests.peers.frames import PONG, Frame, close_frame
from tests.relay.joined import data, session
from wsgate.relay.closing import Side
from wsgate.relay.pump import Pump
from wsgate.relay.traffic import Traffic
from wsgate.settings.model import Heartbeat


async def test_what_a_session_moves_is_told_once(pump: Pump) -> None:
    async with session(pump) as running:
        assert running.session.take_traffic() is None
        await running.client.send(data(b"four"), data(b"!"))
        assert [await running.backend.receive() for _ in range(2)] == [data(b"four"), data(b"!")]
        assert running.session.take_traffic() == Traffic(messages_up=2, octets_up=6 + 4 + 6 + 1)
        assert running.session.take_traffic() is None
        await running.backend.send(data(b"more"))
        await running.client.receive()
        assert running.session.take_traffic() == Traffic(messages_down=1, octets_down=2 + 4)


async def test_after_its_end_too(pump: Pump) -> None:
    async with session(pump) as running:
        await running.client.send(data(b"four"))
        await running.backend.receive()
        await running.client.send(close_frame(1000))
        await running.backend.receive()
        await running.backend.send(close_frame(1000))
    traffic = running.session.take_traffic()
    assert traffic is not None
    assert traffic.messages_up == 1


async def test_stalls_and_their_time(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, buffer=4096) as running:
        raw = data(bytes(4 << 20)).encode(running.client.mask)
        sent = await running.client.fill(raw)
        began = trio.current_time()
        traffic = running.session.take_traffic()
        assert traffic is not None
        assert (traffic.stalls_up, traffic.stalled_up) == (1, 0.0)
        await trio.sleep(7)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.client.write, raw[sent:])
            await running.backend.read(len(raw))
        traffic = running.session.take_traffic()
        assert traffic is not None
        assert 7 <= traffic.stalled_up <= trio.current_time() - began + 1
        assert (traffic.stalls_down, traffic.stalled_down) == (0, 0.0)


async def test_a_stall_that_ends_with_its_connection(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, buffer=4096) as running:
        raw = data(bytes(4 << 20)).encode(running.client.mask)
        await running.client.fill(raw)
        running.session.take_traffic()
        await trio.sleep(3)
        running.backend_leg.abandon()
        traffic = running.session.take_traffic()
        assert traffic is not None
        assert traffic.stalled_up >= 3


async def test_round_trips_are_told_once(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, heartbeat=Heartbeat(interval=10, timeout=10)) as running:
        assert list(running.session.take_rtts()) == []
        ping = await running.client.receive()
        await trio.sleep(2)
        await running.client.send(Frame(PONG, ping.payload))
        await trio.testing.wait_all_tasks_blocked(0.05)
        ((side, rtt),) = running.session.take_rtts()
        assert side is Side.CLIENT
        assert 2 <= rtt < 3
        assert list(running.session.take_rtts()) == []


def test_the_difference() -> None:
    before, now = Traffic(1, 2, 3, 0.5, 5, 6, 7, 0.5), Traffic(2, 4, 6, 1.5, 10, 12, 14, 2.5)
    assert now.since(before) == Traffic(1, 2, 3, 1.0, 5, 6, 7, 2.0)
