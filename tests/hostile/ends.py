"""Both ends of sessions, in threads, for the tests that measure the real process under load."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from ..e2e.peers import TEXT, Frame, request
from .recorder import Client, accept_for

MASK = b"\x01\x02\x03\x04"


class Peer(threading.Thread):
    """A backend: reads the request, accepts it, then does as ``behave(sock)`` does.

    handshake: whether there is a request; accept: whether it is answered
    """

    def __init__(self, behave: Callable[[socket.socket], None], *, handshake: bool = True, accept: bool = True) -> None:
        super().__init__(daemon=True)
        self._behave = behave
        self._handshake = handshake
        self._accept = handshake and accept
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.start()

    def run(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._session, args=(sock,), daemon=True).start()

    def _session(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            head = b""
            while self._handshake and b"\r\n\r\n" not in head:
                head += sock.recv(1 << 16)
            if self._accept:
                sock.sendall(accept_for(head))
            self._behave(sock)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)


def echo(sock: socket.socket) -> None:
    """Each read is one masked frame of the client's with a payload of 10 bytes: send it back unmasked."""
    while frame := sock.recv(16):
        sock.sendall(
            Frame(frame[0] & 0x0F, bytes(byte ^ frame[2 + at % 4] for at, byte in enumerate(frame[6:]))).encode(None)
        )


def send_on(data: bytes) -> Callable[[socket.socket], None]:
    """A client that sends the same for as long as it can."""

    def send(sock: socket.socket) -> None:
        sock.settimeout(None)
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(data)

    return send


def read_on(sock: socket.socket) -> None:
    """A peer that reads and says nothing."""
    sock.settimeout(None)
    with contextlib.suppress(OSError):
        while sock.recv(1 << 20):
            pass


def upgraded(port: int, path: str) -> Client:
    client = Client(port)
    client.send(request(path))
    assert client.read_head().startswith(b"HTTP/1.1 101 ")
    return client


def round_trip(client: Client) -> None:
    """A message, and its echo."""
    client.send(Frame(TEXT, b"0123456789").encode(MASK))
    assert client.read(12) == Frame(TEXT, b"0123456789").encode(None)


@contextlib.contextmanager
def beside(target: Callable[[socket.socket], None], client: Client) -> Iterator[None]:
    """Run a client's end in a thread."""
    thread = threading.Thread(target=target, args=(client.sock,), daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()
