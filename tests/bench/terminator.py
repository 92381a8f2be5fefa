"""A TLS terminator in front of a backend without TLS, for the generator's TLS leg: a thread for each connection."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator

SIZE = 64 << 10


class Terminator:
    """``port`` is where it listens; ``seen`` has version, cipher and whether it was resumed, of each session."""

    def __init__(self, backend: int, context: ssl.SSLContext) -> None:
        self._backend = backend
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[tuple[str | None, str, bool | None]] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[Terminator]:
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            self._listener.close()

    def _accept(self) -> None:
        threads = []
        with contextlib.suppress(OSError):  # the end of the listener
            while True:
                client, _ = self._listener.accept()
                threads.append(threading.Thread(target=self._serve, args=[client]))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as client:
            cipher = client.cipher()
            assert cipher
            self.seen.append((client.version(), cipher[0], client.session_reused))
            with socket.create_connection(("127.0.0.1", self._backend)) as backend:
                while True:
                    for end in [client] if client.pending() else select.select([client, backend], [], [])[0]:
                        data = end.recv(SIZE)
                        if not data:
                            return
                        (backend if end is client else client).sendall(data)
