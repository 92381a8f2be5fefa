"""A WebSocket backend made with the websockets library, which checks everything and compresses where it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

# Read when the library is imported. Its default of 4096 fragments is less than section 9 sends in one message.
os.environ["WEBSOCKETS_MAX_FRAGMENTS"] = "1000000"

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def _echo(websocket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in websocket:
            await websocket.send(message)


async def main() -> None:
    async with serve(_echo, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
