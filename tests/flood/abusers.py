"""``python -m tests.flood.abusers PORT COUNT``: bad clients, in a process of their own that ends with its input.

Each kind has a fifth of them, and a few addresses of its own: who connects and leaves, says nothing, sends its head a
byte at a time, guesses passwords, or has a session and sends messages as fast as they are taken.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable

from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.heads import request

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PAUSE = 0.25  # seconds until a client that was thrown out comes back
_FRAMES = Frame(BINARY, bytes(64)).encode(MASK) * 200
_GUESS = "Basic " + base64.b64encode(b"alice:guess").decode()


async def connect_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def send_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in request("/echo"):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.5)


async def guess(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(request("/secret", {"Authorization": _GUESS}))
    await reader.read()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(request("/sink"))
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(_FRAMES)
        await writer.drain()


KINDS: tuple[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], ...] = (
    connect_and_leave,
    say_nothing,
    send_slowly,
    guess,
    flood,
)


async def abuse(port: int, number: int) -> None:
    kind = number % len(KINDS)
    address = f"127.2.{kind}.{1 + number // len(KINDS) % 2}"
    await asyncio.sleep(number % 100 / 100)  # not all in the same moment
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            with contextlib.closing(writer):
                await KINDS[kind](reader, writer)
        await asyncio.sleep(PAUSE)


async def main(port: int, count: int) -> None:
    os.nice(19)  # in the world they have machines of their own
    tasks = [asyncio.create_task(abuse(port, number)) for number in range(count)]
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
