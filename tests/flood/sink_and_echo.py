"""``python -m tests.flood.sink_and_echo``: a backend in a process of its own, which prints its port first.

At ``/sink`` it reads frames and throws them away; at any other path it sends them back. It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from tests.peers.frames import parse
from tests.peers.heads import accept_for


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(accept_for(head))
        received = bytearray()
        while data := await reader.read(1 << 16):
            if head.startswith(b"GET /sink "):
                continue
            received += data
            while parsed := parse(received):
                del received[: parsed.size]
                writer.write(parsed.frame.encode(None))
            await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
