"""The two peers of a session on socket pairs: their roles, what they received, and how they leave."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.peers.frames import CLOSE, close_code, parse_all

from ..relay.joined import Peer, Session


def split_close(data: bytes) -> tuple[bytes, int | None]:
    """Returns what is in front of the Close at the end of ``data``, and its code; ``None`` without a Close."""
    frames = parse_all(data)
    if not frames or frames[-1].frame.opcode != CLOSE:
        return data, None
    assert sum(parsed.size for parsed in frames) == len(data), data
    return data[: -frames[-1].size], close_code(frames[-1].frame)


async def settle() -> None:
    """Let the gateway read what has been sent."""
    await trio.testing.wait_all_tasks_blocked()


def held(running: Session) -> int:
    """Bytes that the session keeps of what it has read."""
    legs = (running.client_leg, running.backend_leg)
    return sum(len(leg.pending or b"") + sum(map(len, (leg.waiting_frames or {}).values())) for leg in legs)


async def flood(peer: Peer, data: bytes) -> int:
    """Send the same again and again until the gateway takes no more; how many bytes it took."""
    sent = 0
    with trio.move_on_after(0.5):
        while True:
            rest = memoryview(data)
            while rest:
                size = await peer.sock.send(rest)
                sent += size
                rest = rest[size:]
    return sent


LEAVE = pytest.mark.parametrize("leave", [Peer.reset, Peer.vanish], ids=["reset", "end"])
