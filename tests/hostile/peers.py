"""The two peers of a session on socket pairs: who is who, what they got, and how they leave."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
import trio.testing

from wsgate.relay.closing import Side

from ..relay.joined import Peer, Session
from ..wire.reference import CLOSE
from .oracles import decode


def sides(running: Session, side: Side) -> tuple[Peer, Peer]:
    """The peer on this side, and the other."""
    pair = (running.client, running.backend)
    return pair if side is Side.CLIENT else pair[::-1]


def split_close(data: bytes) -> tuple[bytes, int | None]:
    """What stands in front of the Close that ends ``data``, and its code; ``None`` if no Close does."""
    events = decode(data)
    if not events or events[-1][0] != CLOSE:
        return data, None
    payload = events[-1][1]
    for header in (2, 6):  # without a mask and with one
        at = len(data) - header - len(payload)
        if data[at] == 0x88 and data[at + 1] & 0x7F == len(payload):
            return data[:at], int.from_bytes(payload[:2], "big")
    raise AssertionError(data)


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


def reset(peer: Peer) -> None:
    """Break the connection: the gateway sees RST."""
    assert isinstance(peer.sock, trio.socket.SocketType)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


LEAVE = pytest.mark.parametrize("leave", [reset, Peer.vanish], ids=["reset", "end"])
