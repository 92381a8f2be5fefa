"""What a gateway says and counts of sessions that are throttled."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, closed, relay_to, route
from tests.log import Log
from tests.peers.frames import Frame, close_frame
from tests.peers.stream import Backend, open_session
from wsgate.settings.model import RouteLimits

LIMITS = RouteLimits(messages_per_second=10)


def counted(gate: Gate) -> dict[tuple[str, ...], Any]:
    return {
        (metric.name, *labels): values[0] * metric.scale
        for metric, labels, values in gate.gateway.metrics.row.read()
        if "throttle" in metric.name
    }


async def test_a_throttled_session(
    start_gate: StartGate, backend: Backend, log: Log, autojump_clock: MockClock
) -> None:
    """It has one line at the first throttle of each side, and the counters of its route have all."""
    gate = start_gate(route(relay_to(backend.port), "chat", limits=LIMITS, heartbeat=None))
    client = gate.connect()
    server = await open_session(client, backend)
    for _ in range(3):
        await client.send(*[Frame(1, b"hello")] * 30)
        for _ in range(30):
            assert (await server.receive()).payload == b"hello"
        await trio.sleep(10)
    await server.send(*[Frame(1, b"hello")] * 20)
    for _ in range(20):
        await client.receive()
    await trio.sleep(10)
    assert [(line["side"], line["detail"]) for line in log.all("throttled")] == [
        ("client", "more than 10 messages per second"),
        ("backend", "more than 10 messages per second"),
    ]
    assert counted(gate) == {
        ("wsgate_throttles_total", "chat", "up"): 3,
        ("wsgate_throttles_total", "chat", "down"): 1,
        ("wsgate_throttled_seconds_total", "chat", "up"): pytest.approx(6),
        ("wsgate_throttled_seconds_total", "chat", "down"): pytest.approx(1),
    }
    await client.send(close_frame(1000))
    await server.receive()
    await server.send(close_frame(1000))
    await server.vanish()
    await client.vanish()
    await closed(gate)
    line = log.one("session")
    assert (line["throttled_up"], line["throttled_down"]) == (pytest.approx(6), pytest.approx(1))
