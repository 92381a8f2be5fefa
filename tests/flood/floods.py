"""The floods. Each runs in some threads, as clients, until it is told to stop."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.peers.frames import BINARY, MASK, PING, PONG, Frame
from tests.peers.heads import plain_request, request
from tests.peers.threads import Client, upgraded

CROWD = 300  # connections that one flood holds: more than the gateway has descriptors for
_TICK = 100  # ms between two looks at whether it is over
_GUESS = base64.b64encode(b"alice:guess").decode()


@dataclass(frozen=True)
class Target:
    """Where the gateway is."""

    port: int
    tls_port: int


Stop = threading.Event
Run = Callable[[Target, Stop], None]


@dataclass(frozen=True)
class Flood:
    run: Run
    threads: int = 2


def _pour(sock: socket.socket, data: bytes, stop: Stop, *, reads: bool = True) -> None:
    """The same again and again, as fast as it is taken; what comes back is thrown away, or not read."""
    sock.setblocking(False)
    wanted = select.POLLOUT | (select.POLLIN if reads else 0)
    poll = select.poll()
    poll.register(sock, wanted)
    view, at = memoryview(data), 0
    while not stop.is_set():
        for _, events in poll.poll(_TICK):
            if events & ~wanted:
                return
            with contextlib.suppress(BlockingIOError):
                if events & select.POLLIN and not sock.recv(1 << 18):
                    return
            with contextlib.suppress(BlockingIOError):
                if events & select.POLLOUT:
                    at = (at + sock.send(view[at:])) % len(data)


def _frames(path: str, frames: Iterable[Frame], *, reads: bool = True) -> Run:
    data = b"".join(frame.encode(MASK) for frame in frames)

    def run(target: Target, stop: Stop) -> None:
        with upgraded(target.port, path) as client:
            _pour(client.sock, data, stop, reads=reads)

    return run


def _from_a_backend(target: Target, stop: Stop) -> None:
    """It never stops, and the client reads all of it."""
    with upgraded(target.port, "/pouring") as client:
        client.sock.settimeout(1)
        while not stop.is_set() and client.sock.recv(1 << 18):
            pass


def _requests(target: Target, stop: Stop) -> None:
    with Client(target.port) as client:
        _pour(client.sock, b"DELETE /site/x HTTP/1.1\r\nHost: x\r\n\r\n" * 100, stop)


def _again(data: bytes, *, answer: bool = True, tls_port: bool = False) -> Run:
    """A connection for each request; answer: it is read, or else the connection is broken off at once"""

    def run(target: Target, stop: Stop) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), _connect(target, tls_port) as client:
                client.send(data)
                if answer:
                    client.read_all()
                else:
                    client.reset()

    return run


def _crowd(data: bytes, then: bytes = b"", *, tls_port: bool = False) -> Run:
    """Connections that stay open and send only this, or (then) one byte of it from time to time."""

    def run(target: Target, stop: Stop) -> None:
        with contextlib.ExitStack() as stack:
            crowd: list[Client] = []
            number = 0
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    if len(crowd) < CROWD:
                        crowd.append(stack.enter_context(_connect(target, tls_port)))
                        crowd[-1].send(data)
                        continue
                    client = crowd[number % CROWD]
                    client.send(then[number % len(then) :][:1]) if then else stop.wait(_TICK / 1000)
                if len(crowd) == CROWD and then:
                    stop.wait(0.001)
                number += 1

    return run


def _connect(target: Target, tls_port: bool) -> Client:
    return Client(target.tls_port if tls_port else target.port)


_HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)
_BIG_HEAD = plain_request("/site/")[:-2] + b"Cookie: " + b"x" * 15_500

FLOODS: dict[str, Flood] = {
    "pings": Flood(_frames("/sink", [Frame(PING)] * 10_000)),
    "pings to a tunnel, its pongs not read": Flood(_frames("/tunnel", [Frame(PING, b"p" * 125)] * 1000, reads=False)),
    "pongs": Flood(_frames("/sink", [Frame(PONG)] * 10_000)),
    "empty messages": Flood(_frames("/sink", [Frame(BINARY)] * 10_000)),
    "messages of a byte": Flood(_frames("/sink", [Frame(BINARY, b"x")] * 10_000)),
    "empty fragments": Flood(_frames("/sink", [Frame(BINARY, fin=False), *[Frame(0, fin=False)] * 10_000, Frame(0)])),
    "large messages, their echoes not read": Flood(_frames("/echo-all", [Frame(BINARY, bytes(1 << 20))], reads=False)),
    "frames from a backend": Flood(_from_a_backend),
    "requests without end": Flood(_requests),
    "hints without end": Flood(_again(request("/hints"))),
    "refusals": Flood(_again(request("/nowhere")), threads=4),
    "guesses": Flood(_again(request("/secret", {"Authorization": f"Basic {_GUESS}"})), threads=8),
    "those who leave at once": Flood(_again(b"", answer=False), threads=4),
    "those who leave within their request": Flood(_again(request("/echo")[:40], answer=False), threads=4),
    "those who leave before the answer": Flood(_again(request("/echo"), answer=False), threads=4),
    "no TLS where it is wanted": Flood(_again(plain_request(), tls_port=True), threads=4),
    "the silent": Flood(_crowd(b""), threads=1),
    "the silent in a TLS handshake": Flood(_crowd(_HALF_A_HELLO, tls_port=True), threads=1),
    "the slow, a byte at a time": Flood(_crowd(request("/echo")[:-2], b"X-A: b\r\n"), threads=1),
    "large heads that stay unfinished": Flood(_crowd(_BIG_HEAD), threads=1),
}
