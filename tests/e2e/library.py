"""Ends of a session made with the websockets library: what users of the gateway have there, or something like it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect as connect_websocket
from websockets.trio.server import ServerConnection

Handler = Callable[[ServerConnection], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]  # the fixture ``serve``

# Nothing that would hide what the gateway does: no limit before its own, no pings and no compression but a test's own.
OPTIONS: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None}


def connect(uri: str, **options: Any) -> connect_websocket:
    """A client, to be used with ``async with``."""
    return connect_websocket(uri, proxy=None, **{**OPTIONS, **options})


async def echo(websocket: ServerConnection) -> None:
    # a backend chose this close code for its client, although the library treats it as an error
    with contextlib.suppress(ConnectionClosed):
        while True:  # async for would leave its generator unfinished where send() fails
            await websocket.send(await websocket.recv())
