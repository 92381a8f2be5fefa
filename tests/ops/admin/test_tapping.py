"""The lines of a tap, from real sessions of a gateway."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import Gate, StartGate, gateway_of, relay_to, route
from tests.peers.frames import Frame, close_frame
from tests.peers.stream import Backend, Peer, open_session
from wsgate.ops.admin.tapping import IDLE, NotTapped, frame_fields, tap_here, until_left
from wsgate.relay import tap
from wsgate.relay.tap import TappedFrame
from wsgate.wire.frame_reader import ReadFrame
from wsgate.wire.frames import Opcode


class Taken:
    """The lines that a tap has sent, and how many pieces it may still send."""

    def __init__(self, most: int = 1 << 30) -> None:
        self._sender, self._receiver = trio.open_memory_channel[dict[str, Any]](1 << 20)
        self._most = most

    async def send(self, data: bytes) -> bool:
        assert data.endswith(b"\n")
        for each in data.splitlines():
            self._sender.send_nowait(json.loads(each))
        self._most -= 1
        return self._most > 0

    async def next(self, event: str) -> dict[str, Any]:
        """The next line, which is of this kind."""
        with trio.fail_after(100):
            line = await self._receiver.receive()
        assert line.pop("event") == event, line
        return line

    def nothing_more(self) -> bool:
        return self._receiver.statistics().current_buffer_used == 0


async def started(start_gate: StartGate, backend: Backend) -> tuple[Gate, Peer, Peer]:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    client = gate.connect("192.0.2.1:5000")
    return gate, client, await open_session(client, backend)


async def end(client: Peer, server: Peer) -> None:
    await client.send(close_frame(4000, "bye"))
    await server.receive_close()
    await server.send(close_frame(4000))
    await client.receive_close()
    await server.stream.aclose()
    await client.stream.aclose()


async def test_frames_up_to_the_end(start_gate: StartGate, backend: Backend, nursery: trio.Nursery) -> None:
    gate, client, server = await started(start_gate, backend)
    taken = Taken()
    nursery.start_soon(tap_here(gate.gateway), "1", True, taken.send)
    begin = await taken.next("begin")
    assert (begin["id"], begin["route"], begin["client"], begin["payload"]) == ("1", "chat", "192.0.2.1:5000", True)
    await client.send(Frame(Opcode.TEXT, b"hello"))
    frame = await taken.next("frame")
    assert frame.pop("time").endswith("Z")
    assert frame == {
        **{"direction": "up", "opcode": "text", "size": 5, "flags": ["FIN"]},
        **{"payload": base64.b64encode(b"hello").decode()},
    }
    await server.receive()
    await server.send(Frame(Opcode.PING))
    assert (await taken.next("frame"))["direction"] == "down"
    await client.receive()
    await end(client, server)
    codes = [(await taken.next("frame"))["code"] for _ in range(2)]
    last = await taken.next("end")
    assert codes == [4000, 4000]
    assert (last["reason"], last["ended_by"], last["client_code"], last["client_reason"]) == (
        *("closed", "client", 4000),
        "bye",
    )
    assert (last["frames"], last["dropped"]) == (4, 0)
    assert taken.nothing_more()


async def test_no_such_session() -> None:
    taken = Taken()
    assert await tap_here(gateway_of())("7\x1b", False, taken.send) == NotTapped(
        404, "no session has the id '7\\x1b': it may have ended"
    )
    assert taken.nothing_more()


async def test_too_many_viewers(start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "MOST_VIEWERS", 0)
    gate, _, _ = await started(start_gate, backend)
    not_tapped = await tap_here(gate.gateway)("1", False, Taken().send)
    assert not_tapped == NotTapped(409, tap.TOO_MANY)


async def test_a_line_when_nothing_passes(
    start_gate: StartGate, backend: Backend, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    gate, _, _ = await started(start_gate, backend)
    taken = Taken(most=3)
    at = trio.current_time()
    assert await tap_here(gate.gateway)("1", False, taken.send) is None
    await taken.next("begin")
    await taken.next("idle")
    await taken.next("idle")
    assert trio.current_time() - at == pytest.approx(2 * IDLE, abs=1)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
async def test_who_takes_no_more(
    start_gate: StartGate, backend: Backend, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """The tap ends with the piece that nobody takes: the session reads as before."""
    monkeypatch.setattr(tap, "MOST_FRAMES", 1)
    gate, client, server = await started(start_gate, backend)
    taken, over = Taken(most), trio.Event()

    async def show() -> None:
        await tap_here(gate.gateway)("1", False, taken.send)
        over.set()

    nursery.start_soon(show)
    await taken.next("begin")
    if most > 1:
        await client.send(Frame(Opcode.BINARY, b"1"))
        await server.receive()
        await client.send(Frame(Opcode.BINARY, b"2"), Frame(Opcode.BINARY, b"3"))
        await taken.next("frame")
    if most > 2:
        assert await taken.next("dropped") == {"frames": 2}
        await client.send(Frame(Opcode.BINARY, b"4"))
        for _ in range(3):
            await server.receive()
    if most > 3:
        await taken.next("frame")
        await end(client, server)
    await over.wait()
    for session in gate.gateway.sessions:
        assert session.flows[0].read_area is gate.gateway.pump.read_area


@pytest.mark.parametrize(
    ("first", "payload", "opcode", "flags", "code"),
    [
        (0x81, b"", "text", ["FIN"], None),
        (0x00, b"", "continuation", [], None),
        (0xC2, b"", "binary", ["FIN", "RSV1"], None),
        (0xF3, b"", "0x3", ["FIN", "RSV1", "RSV2", "RSV3"], None),
        (0x88, b"\x03\xe8", "close", ["FIN"], 1000),
        (0x88, b"\x03", "close", ["FIN"], None),
    ],
)
def test_the_fields_of_a_frame(first: int, payload: bytes, opcode: str, flags: list[str], code: int | None) -> None:
    found = frame_fields(TappedFrame(1.5, False, ReadFrame(first, 9, payload)), payload=False)
    assert found == {
        **{"time": "1970-01-01T00:00:01.500000Z", "direction": "down", "opcode": opcode, "size": 9, "flags": flags},
        **({"code": code} if opcode == "close" else {}),
    }


def test_the_size_of_a_compressed_payload() -> None:
    found = frame_fields(TappedFrame(1.5, True, ReadFrame(0xC1, 900, b"plain", 12)), payload=True)
    assert (found["size"], found["compressed_size"], found["flags"]) == (900, 12, ["FIN", "RSV1"])
    assert "compressed_size" not in frame_fields(TappedFrame(1.5, True, ReadFrame(0x81, 9, b"")), payload=False)


async def test_until_left(autojump_clock: MockClock) -> None:
    async def work() -> int:
        await trio.sleep(5)
        return 7

    async def left() -> None:
        await trio.sleep(3)

    assert await until_left(trio.sleep_forever, work) == 7
    assert await until_left(left, work) is None
