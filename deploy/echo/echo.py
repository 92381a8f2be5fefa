"""A WebSocket echo application in a few lines."""

from __future__ import annotations

import asyncio
import signal

from websockets.asyncio.server import ServerConnection, serve

PORT = 8765


async def echo(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(message)


async def main() -> None:
    async with serve(echo, "", PORT) as server:
        # the first process of a container dies of no signal that it does not handle
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.close)
        await server.wait_closed()


asyncio.run(main())
