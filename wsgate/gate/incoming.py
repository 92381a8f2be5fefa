"""The client's side of a forwarded request: the body that it sends, its leaving, and interim answers to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from wsgate.gate.refusals import CLIENT_GONE
from wsgate.net.io import BODY_SIZE, receive
from wsgate.net.transport import Transport
from wsgate.relay.pump import Pump
from wsgate.wire.headers import Headers
from wsgate.wire.http import BodyEnd, HttpServer, Refusal

# That are taken at once: a body may come in chunks of one byte, each of which costs as much as one of 64 KiB
MOST_PIECES = 32

BODY_TOO_SLOW = Refusal(408, "the request's body took too long")


class Incoming:
    """A request after its head, as a handler that forwards it gets it. Its reads may be cancelled at any time.

    send: sends bytes to the client
    patience: seconds within which the next bytes of the body must come
    """

    def __init__(
        self,
        pump: Pump,
        transport: Transport,
        http: HttpServer,
        send: Callable[[bytes], Awaitable[bool]],
        patience: float,
    ) -> None:
        self._pump = pump
        self._transport = transport
        self._http = http
        self._send = send
        self._patience = patience
        self._end: BodyEnd | Refusal | None = None
        self._behind = 0

    async def read(self) -> bytes | BodyEnd | Refusal:
        """Returns the next piece of the body, its end, or why the rest does not come: it is malformed or too slow, or
        the client has left."""
        while True:
            piece = self.read_ready()
            if piece is not None:
                return piece
            data = b""
            with trio.move_on_after(self._patience) as scope:
                data = await receive(self._transport, BODY_SIZE)
            self._pump.serve_round_if_due()
            if scope.cancelled_caught:
                self._end = BODY_TOO_SLOW
            elif not data:
                self._end = CLIENT_GONE
            else:
                self._http.receive(data)

    def read_ready(self) -> bytes | BodyEnd | Refusal | None:
        """Like ``read``, but returns ``None`` if there is nothing without waiting."""
        if self._end is None:
            piece = self._http.next_piece()
            if piece is None or isinstance(piece, bytes):
                return piece
            self._end = piece
        return self._end

    async def give_way(self) -> None:
        """Lets the sessions and other tasks run, between two steps that do not wait."""
        self._pump.serve_round_if_due()
        await trio.lowlevel.checkpoint()

    @property
    def is_whole(self) -> bool:
        """Whether the body was read to its end."""
        return isinstance(self._end, BodyEnd)

    async def wait_until_left(self) -> None:
        """Returns when the client has left, after the body was read to its end.

        A client that ends its output has left, as for nginx: browsers and libraries do it only when they close. What
        comes instead is the next request, of which one read is kept; a client that has sent one is not watched.
        """
        while not self._behind:
            data = await receive(self._transport)
            if not data:
                self._end = CLIENT_GONE
                return
            self._behind += len(data)
            self._http.receive(data)
        await trio.sleep_forever()

    async def inform(self, status: int, headers: Headers) -> None:
        """Sends an interim answer (1xx)."""
        data = self._http.inform(status, headers)
        if data:
            await self._send(data)
