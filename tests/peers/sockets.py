"""Plain sockets of both ends, for tests that act as clients and services themselves."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import trio


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The accepted end of a TCP connection, and the end that connected: socket pairs know no RST."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def reset(sock: Any) -> None:
    """Break a connection: the other side sees RST (socket(7): a linger time of zero)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def free_port() -> int:
    """Returns a port that is free on every IPv4 address, for those that cannot let the kernel choose one.

    It is below the ports that the kernel chooses (ip(7)), which other tests could get in the meantime.
    """
    for port in random.sample(range(15_000, 32_000), 1000):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port
    raise AssertionError("no port is free")


async def serve_tcp(nursery: trio.Nursery, handler: Callable[[trio.SocketStream], Awaitable[object]]) -> int:
    """Have each connection to a port handled, which the kernel chooses and this returns."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1000)
    nursery.start_soon(trio.serve_listeners, handler, [listener])
    port: int = listener.socket.getsockname()[1]
    return port


async def echo(stream: trio.SocketStream) -> None:
    """A service that sends back what it gets."""
    async for data in stream:
        await stream.send_all(data)
