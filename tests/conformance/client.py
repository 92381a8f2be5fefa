"""The client of a fuzzing server: ``client.py VIA SERVER [--offer]`` plays each of its cases through the port VIA.

It connects to VIA, with the port SERVER in Host, because the suite answers 400 for another port. With --offer it offers
compression.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

# Read when the library is imported. Its default of 4096 fragments is less than section 9 sends in one message.
os.environ["WEBSOCKETS_MAX_FRAGMENTS"] = "1000000"

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

AGENT = "gateway"

# Everything that the server of section 13 may ask of a client must have been offered (RFC 7692 §7.1)
_DEFLATE = ClientPerMessageDeflateFactory(client_no_context_takeover=True, client_max_window_bits=True)


def _connect(via: int, server: int, target: str, *, offers: bool = False) -> connect:
    return connect(
        f"ws://127.0.0.1:{server}{target}",
        host="127.0.0.1",
        port=via,
        proxy=None,
        compression=None,
        extensions=[_DEFLATE] if offers else None,
        max_size=None,
        ping_interval=None,
    )


async def _play(via: int, server: int, case: int, *, offers: bool) -> None:
    try:
        async with _connect(via, server, f"/runCase?case={case}&agent={AGENT}", offers=offers) as websocket:
            async for message in websocket:
                await websocket.send(message)
    except (ConnectionClosed, InvalidHandshake, EOFError):
        pass  # the case's verdict is the suite's, and is in its report


async def main(via: int, server: int, *, offers: bool) -> None:
    async with _connect(via, server, "/getCaseCount") as websocket:
        count = json.loads(await websocket.recv())
    for case in range(1, count + 1):
        await _play(via, server, case, offers=offers)
    async with _connect(server, server, f"/updateReports?agent={AGENT}") as websocket:
        await websocket.wait_closed()  # the report is whole when the suite closes


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:3]), offers="--offer" in sys.argv))
