"""An answer of the admin listener that is sent line by line, for as long as there are lines."""

from __future__ import annotations

from collections.abc import Callable

import trio

from wsgate.net.io import receive, send_all
from wsgate.net.plain import PlainTransport
from wsgate.ops.admin.live import SEND_TIME
from wsgate.wire.headers import Headers
from wsgate.wire.http import HttpServer

PIECE = 64 << 10  # bytes that must be taken within ``SEND_TIME``
JSON_LINES = b"application/jsonl"


class LineAnswer:
    """Sends lines as the body of an answer with status 200.

    begins: called before the head is sent, with the first lines
    """

    def __init__(self, http: HttpServer, sock: PlainTransport, fields: Headers, begins: Callable[[], None]) -> None:
        self._http = http
        self._sock = sock
        self._fields = [*fields, (b"Content-Type", JSON_LINES), (b"Connection", b"close")]
        self._begins = begins
        self._begun = False
        self._whole = True  # nothing was sent in part

    async def send(self, lines: bytes) -> bool:
        """Sends lines. Returns False if the client has gone, or takes nothing for ``SEND_TIME``."""
        if not self._begun:
            self._begun = True
            self._begins()
            if not await self._send(self._http.head(200, self._fields)):
                return False
        return await self._send(self._http.data(lines))

    async def finish(self) -> None:
        """Ends the answer, so that the client knows that it is whole; does nothing after a piece that was not taken."""
        if self._whole:
            await self._send(self._http.finish())

    async def _send(self, data: bytes) -> bool:
        self._whole = False
        rest = memoryview(data)
        while rest:
            sent = False
            with trio.move_on_after(SEND_TIME):
                sent = await send_all(self._sock, rest[:PIECE])
            if not sent:
                return False
            rest = rest[PIECE:]
        self._whole = True
        return True


async def wait_until_ended(sock: PlainTransport) -> None:
    """Returns when the client has ended the connection; what it sends before that is discarded."""
    while await receive(sock):
        pass
