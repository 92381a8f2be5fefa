"""TLS listeners and the programs that try them."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import trio

from tests.peers.frames import MASK
from tests.peers.stream import Peer
from tests.pki import Pair, client_context
from tests.programs import find

from .gateway import Gateway

DEADLINE = 10.0  # seconds for a program that ends by itself


def listener(pair: Pair | None = None, **tls: Any) -> dict[str, Any]:
    """A TLS listener on a port of the kernel's choice."""
    return {"bind": "127.0.0.1:0", "tls": {**(pair.settings() if pair else {}), **tls}}


async def run(program: str, *arguments: str, stdin: bytes = b"") -> str:
    """Returns what a program writes to both of its outputs until its end."""
    path = find(program)
    assert path is not None, f"a test that uses {program} is marked with needs({program!r})"
    with trio.fail_after(DEADLINE):
        done = await trio.run_process(
            [path, *arguments], stdin=stdin, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
    output: bytes = done.stdout
    return output.decode("latin-1")


async def s_client(gateway: Gateway, *arguments: str) -> str:
    """openssl s_client with a plain request, until the gateway has answered it: by then it has its ticket, too."""
    request = b"GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n"
    return await run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-ign_eof", *arguments, stdin=request
    )


def subject(output: str) -> str | None:
    """The common name in the certificate that s_client was shown."""
    found = re.search(r"^subject=.*CN ?= ?([^,\n]+)", output, re.MULTILINE)
    return found and found[1]


async def connect_tls(
    gateway: Gateway, context: Any, name: str = "gateway.test", *, receive_buffer: int | None = None
) -> Peer:
    """A TLS client that the test plays byte by byte, after its handshake."""
    sock = trio.socket.socket()
    if receive_buffer is not None:
        # before connect(), so that the window that is offered is a small one from the start
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, receive_buffer)
    await sock.connect(("127.0.0.1", gateway.port))
    stream: Any = trio.SSLStream(trio.SocketStream(sock), context, server_hostname=name)
    await stream.do_handshake()
    return Peer(stream, mask=MASK)


__all__ = ["client_context", "connect_tls", "listener", "run", "s_client", "subject"]
