"""Clients and backends on blocking sockets, for tests that have threads or a process of their own.

With them one gateway can serve a whole module (trio's fixtures end with each test), and its ends can run in parallel.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any, Self

from .frames import MASK, TEXT, Frame, parse
from .heads import Head, accept_for, request
from .sockets import reset

PATIENCE = 20.0  # seconds that a test waits for what takes milliseconds; machines are shared
_FIRST = IPv4Address("127.1.0.0")
_clients = itertools.count()
_MESSAGE = Frame(TEXT, b"0123456789")


class Closed(contextlib.AbstractContextManager[Any]):
    """What is closed behind a ``with``."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Client(Closed):
    """A blocking connection to the gateway, at a port or at the path of a Unix socket."""

    def __init__(self, address: int | str) -> None:
        if isinstance(address, int):
            # each from an address of its own: the log tells them apart by it, and the kernel gives a port twice
            source = (str(_FIRST + next(_clients) % 65_536), 0)
            self.sock = socket.create_connection(("127.0.0.1", address), PATIENCE, source)
            self.address = "{}:{}".format(*self.sock.getsockname())  # as the gateway's log names it
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            try:
                self.sock.connect(address)
            except OSError:
                self.sock.close()
                raise

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_head(self) -> Head:
        return Head.parse(read_head(self.sock))

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end of the connection."""
        return read(self.sock, size)

    def read_all(self) -> bytes:
        """Everything up to the end of the connection."""
        return read(self.sock, 1 << 62)

    def upgrade(self, path: str = "/") -> None:
        """Ask for a session and expect to get it."""
        self.send(request(path))
        head = self.read_head()
        assert head.status == 101, head

    def round_trip(self) -> None:
        """A message, and its echo."""
        self.send(_MESSAGE.encode(MASK))
        assert self.read(len(_MESSAGE.encode(None))) == _MESSAGE.encode(None)

    def reset(self) -> None:
        """Break the connection: the other side sees RST."""
        reset(self.sock)

    def close(self) -> None:
        self.sock.close()


def upgraded(address: int | str, path: str = "/") -> Client:
    """A client in a session."""
    client = Client(address)
    client.upgrade(path)
    return client


def read_head(sock: socket.socket) -> bytes:
    """A head, and not a byte of what is behind it."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise EOFError(f"the connection ended after {data!r}")
        data += byte
    return data


def read(sock: socket.socket, size: int) -> bytes:
    """So many bytes; fewer only at the end of the connection."""
    data = bytearray()
    while len(data) < size and (piece := sock.recv(min(size - len(data), 1 << 20))):
        data += piece
    return bytes(data)


@contextlib.contextmanager
def beside(target: Callable[[socket.socket], None], client: Client) -> Iterator[None]:
    """Run a client's end in a thread."""
    thread = threading.Thread(target=target, args=(client.sock,), daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


class Backend(Closed):
    """A backend: reads the request, accepts it, then does as ``behave(sock)`` does, each connection in a thread.

    handshake: whether there is a request; accept: whether it is answered
    """

    def __init__(self, behave: Callable[[socket.socket], None], *, handshake: bool = True, accept: bool = True) -> None:
        self._behave = behave
        self._handshake = handshake
        self._accept = handshake and accept
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._session, args=(sock,), daemon=True).start()

    def _session(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError):
            head = read_head(sock) if self._handshake else b""
            if self._accept:
                sock.sendall(accept_for(head))
            self._behave(sock)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not


def echo(sock: socket.socket) -> None:
    """Send each frame back."""
    received = bytearray()
    while data := sock.recv(1 << 16):
        received += data
        while parsed := parse(received):
            del received[: parsed.size]
            sock.sendall(parsed.frame.encode(None))


def send_on(data: bytes) -> Callable[[socket.socket], None]:
    """A client that sends the same for as long as it can."""

    def send(sock: socket.socket) -> None:
        sock.settimeout(None)
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(data)

    return send


def read_on(sock: socket.socket) -> None:
    """A peer that reads and sends nothing."""
    sock.settimeout(None)
    with contextlib.suppress(OSError):
        while sock.recv(1 << 20):
            pass


class Recorded:
    """One connection to the recorder. ``received`` grows; ``ended`` is set when its peer has ended it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = threading.Event()

    @property
    def head(self) -> Head:
        return Head.parse(self.received.partition(b"\r\n\r\n")[0])

    @property
    def behind(self) -> bytes:
        """What came behind the request's head."""
        return bytes(self.received.partition(b"\r\n\r\n")[2])


class Recorder(Backend):
    """Keeps every byte. Answers each request with ``answer(head)``, then leaves (``leave(sock)``) or reads on."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes], bytes] = accept_for
        self.leave: Callable[[socket.socket], None] | None = None
        self.connections: list[Recorded] = []
        self._new = threading.Condition()
        super().__init__(self._record, handshake=False)

    def wait(self, number: int) -> Recorded:
        """The connection of this number, counted from 0, once its head is complete."""
        deadline = time.monotonic() + PATIENCE
        with self._new:
            while len(self.connections) <= number or b"\r\n\r\n" not in self.connections[number].received:
                assert self._new.wait(deadline - time.monotonic()), f"{len(self.connections)} connections"
            return self.connections[number]

    def _record(self, sock: socket.socket) -> None:
        recorded, answered = Recorded(), False
        with self._new:
            self.connections.append(recorded)
        with contextlib.suppress(OSError):
            while data := sock.recv(1 << 16):
                with self._new:
                    recorded.received += data
                    self._new.notify_all()
                head, end, _ = bytes(recorded.received).partition(b"\r\n\r\n")
                if end and not answered:
                    answered = True
                    sock.sendall(self.answer(head + end))
                    if self.leave is not None:
                        self.leave(sock)
                        break
        recorded.ended.set()
