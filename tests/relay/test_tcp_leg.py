"""A service at the other end of a tunnel: FIN and reset, and no frames."""

from __future__ import annotations

import trio
import trio.testing
from trio.testing import MockClock

from tests.relay.joined import BUFFER, MAX_PENDING, data, fill, session
from wsgate.relay.closing import Cause
from wsgate.relay.pump import Pump
from wsgate.relay.states import Output
from wsgate.wire.close import Close


async def test_a_client_that_does_not_read_stops_the_service(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel", buffer=BUFFER) as running:
        payload = bytes(range(256)) * 16384
        sent = await fill(running.backend, running.client_leg, payload)
        assert sent < len(payload)
        assert running.client_leg.pending is not None
        assert len(running.client_leg.pending) <= MAX_PENDING
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.backend.write, payload[sent:])
            while len(received) < len(payload):
                frame = await running.client.receive()
                assert frame == data(frame.payload)
                received += frame.payload
        assert received == payload


async def test_a_reset_that_a_write_has_met_is_no_end_of_the_service(pump: Pump, autojump_clock: MockClock) -> None:
    """The kernel tells of a reset once, to a read or to a write; the other then sees a quiet end."""
    async with session(pump, mode="tunnel") as running:
        running.backend_leg.set_reading(False)  # so that the write comes first
        await running.backend.reset()
        await trio.testing.wait_all_tasks_blocked()
        running.backend_leg.write(b"x")
        assert running.backend_leg.output is Output.BROKEN
        running.backend_leg.set_reading(True)
        assert (await running.client.receive_close())[0] == 1011
        outcome = running.session.outcome()
    assert (outcome.cause, outcome.detail) == (Cause.GONE, "connection lost: it was reset")


async def test_a_fin_for_a_service_whose_reset_was_not_read_yet(pump: Pump, autojump_clock: MockClock) -> None:
    async with session(pump, mode="tunnel") as running:
        running.backend_leg.set_reading(False)
        await running.backend.reset()
        running.backend_leg.close(Close(1000))
        assert running.backend_leg.finish() is False  # the end of its input is still to be read
        assert running.backend_leg.output is Output.BROKEN
