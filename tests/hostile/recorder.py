"""A backend in a thread that keeps every byte it gets, and one connection's worth of blocking client.

Threads and blocking sockets, so that one gateway can serve a whole module: trio's fixtures end with each test.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

PATIENCE = 20.0  # seconds that a test waits for what takes milliseconds; machines are shared

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_for(head: bytes) -> bytes:
    """The 101 that a request's head asks for."""
    key = field(head, b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def fields(head: bytes, name: bytes) -> list[bytes]:
    """Every value of a field in a head, in order."""
    lines = (line.split(b":", 1) for line in head.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    return [value.strip() for found, value in lines if found.lower() == name]


def field(head: bytes, name: bytes) -> bytes:
    (value,) = fields(head, name)
    return value


class Recorded:
    """One connection to the recorder. ``received`` grows; ``ended`` is set when its peer has ended it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = threading.Event()

    @property
    def head(self) -> bytes:
        return bytes(self.received.partition(b"\r\n\r\n")[0]) + b"\r\n\r\n"

    @property
    def behind(self) -> bytes:
        """What came behind the request's head."""
        return bytes(self.received.partition(b"\r\n\r\n")[2])

    @property
    def target(self) -> bytes:
        return self.head.split(b" ")[1]


def reset(sock: socket.socket) -> None:
    """Break the connection: the other side sees RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Recorder:
    """Answers each request with ``answer(head)``, and then leaves (``leave(sock)``) or reads on until the end."""

    def __init__(self, answer: Callable[[bytes], bytes] = accept_for) -> None:
        self.answer = answer
        self.leave: Callable[[socket.socket], None] | None = None
        self.connections: list[Recorded] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._new = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, number: int) -> Recorded:
        """The connection of this number, counted from 0, once its head is complete."""
        deadline = time.monotonic() + PATIENCE
        with self._new:
            while len(self.connections) <= number or b"\r\n\r\n" not in self.connections[number].received:
                assert self._new.wait(deadline - time.monotonic()), f"{len(self.connections)} connections"
            return self.connections[number]

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                recorded = Recorded()
                with self._new:
                    self.connections.append(recorded)
                threading.Thread(target=self._serve, args=(sock, recorded), daemon=True).start()

    def _serve(self, sock: socket.socket, recorded: Recorded) -> None:
        answered = False
        with sock, suppress(OSError):
            while data := sock.recv(1 << 16):
                with self._new:
                    recorded.received += data
                    complete = not answered and b"\r\n\r\n" in recorded.received
                    self._new.notify_all()
                if complete:
                    answered = True
                    sock.sendall(self.answer(recorded.head))
                    if self.leave is not None:
                        self.leave(sock)
                        break
        recorded.ended.set()


class Client:
    """A blocking connection to the gateway."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.address = "{}:{}".format(*self.sock.getsockname())  # as the gateway's log names it

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_head(self) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            byte = self.sock.recv(1)
            if not byte:
                raise EOFError(f"the connection ended after {data!r}")
            data += byte
        return data

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                break
            data += piece
        return data

    def read_all(self) -> bytes:
        """Everything up to the end of the connection."""
        data = b""
        while piece := self.sock.recv(1 << 16):
            data += piece
        return data

    def close(self) -> None:
        self.sock.close()
