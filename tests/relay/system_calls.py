"""A program for ``strace``: a message on each of many sessions at once, from the client to the backend and back.

The test's own side reads and writes by ``read`` and ``write``, so every other call on a socket is the pump's. What
counts is between two calls of ``getppid``.

python -m tests.relay.system_calls MODE
"""

from __future__ import annotations

import contextlib
import os
import sys

import trio
import trio.testing

from tests.peers.frames import MASK
from tests.relay.joined import Session, data, session
from wsgate.relay.pump import Pump

SESSIONS = 64
TURNS = 4  # checkpoints after which everything has been moved, because a Unix socket delivers at once

PING = data(b"ping").encode(MASK)
PONG = data(b"pong").encode(None)


async def main(mode: str) -> None:
    async with trio.open_nursery() as nursery, contextlib.AsyncExitStack() as stack:
        pump = Pump()
        nursery.start_soon(pump.run)
        opened = [await stack.enter_async_context(session(pump, mode=mode, unix=True)) for _ in range(SESSIONS)]
        for leg in (leg for each in opened for leg in (each.client_leg, each.backend_leg)):
            leg.drains = True  # as of TCP: these peers send nothing but bytes
            leg.choose_reader()
        up, down = (PING, PONG) if mode == "relay" else (b"ping", b"pong")
        await exchange(opened, up, down)
        os.getppid()
        await exchange(opened, up, down)
        os.getppid()
        nursery.cancel_scope.cancel()


async def exchange(sessions: list[Session], up: bytes, down: bytes) -> None:
    await move([(each.client.sock.fileno(), each.backend.sock.fileno()) for each in sessions], PING, up)
    await move([(each.backend.sock.fileno(), each.client.sock.fileno()) for each in sessions], down, PONG)


async def move(ends: list[tuple[int, int]], sent: bytes, moved: bytes) -> None:
    for source, _ in ends:
        os.write(source, sent)  # without a checkpoint, so that all are ready when the pump runs
    for _ in range(TURNS):
        await trio.lowlevel.checkpoint()
    for _, sink in ends:
        assert os.read(sink, 100) == moved


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
