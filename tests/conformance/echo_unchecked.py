"""A WebSocket backend that checks nothing: it repeats every frame unchanged but unmasked, also reserved bits.

So every refusal in front of it is the gateway's. It answers a Close with the same Close and a Ping with a Pong, as
every backend must. It imports nothing from the gateway or a WebSocket library, so that their checks have no effect
here.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from tests.peers.frames import CLOSE, PING, PONG, parse
from tests.peers.heads import accept_for


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(accept_for(await reader.readuntil(b"\r\n\r\n")))
        received = bytearray()
        while data := await reader.read(1 << 20):
            received += data
            while parsed := parse(received):
                del received[: parsed.size]
                frame = parsed.frame
                if frame.opcode == PING:
                    frame = replace(frame, opcode=PONG)
                elif frame.opcode == PONG:
                    continue
                writer.write(frame.encode(None))
                await writer.drain()
                if frame.opcode == CLOSE:
                    return
    except (EOFError, ConnectionError):
        pass  # the gateway ended it, and has its own opinion why
    finally:
        writer.close()


async def main() -> None:
    # the default limit of 64 KiB is a limit on readuntil() alone, yet it also pauses large reads at twice that
    server = await asyncio.start_server(_echo, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
