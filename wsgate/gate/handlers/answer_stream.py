"""The body of a backend's answer, on its way to the client."""

from __future__ import annotations

from collections.abc import Callable

import trio

from wsgate.gate.handlers.upload import Upload
from wsgate.gate.incoming import MOST_PIECES
from wsgate.gate.sending import CLIENT_LEFT
from wsgate.net.io import BODY_SIZE, receive_or_raise
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import BLOCKED, Transport
from wsgate.relay.pump import Pump
from wsgate.site.idle_connections import IdleConnections
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.client import BadAnswer
from wsgate.wire.forwarding import trailer_fields
from wsgate.wire.headers import Names
from wsgate.wire.http import BodyEnd


class AnswerStream:
    """A ``Stream`` that owns the backend's connection: after a whole exchange the connection is kept.

    patience: seconds within which the next bytes must come; infinite if there is no such timeout
    done: called once, with the bytes of both bodies and why the answer is incomplete
    dropped: names of trailer fields that the client does not get, in lower case
    """

    def __init__(
        self,
        pump: Pump,
        transport: Transport,
        http: BackendHttp,
        upload: Upload,
        idle: IdleConnections,
        patience: float,
        done: Callable[[int, int, str], None],
        dropped: Names = (),
    ) -> None:
        self._pump = pump
        self._transport = transport
        self._http = http
        self._upload = upload
        self._idle = idle
        self._patience = patience
        self._done: Callable[[int, int, str], None] | None = done
        self._dropped = dropped
        self._size = 0
        self._fault = ""
        self._end: BodyEnd | None = None

    @property
    def end(self) -> BodyEnd | None:
        return self._end

    @property
    def needs_attention(self) -> bool:
        return self._end is None or not self._upload.is_over

    def read_ready(self) -> bytes:
        """Returns what is there already, without waiting. If that is the whole body, it is sent with the head, and
        nothing needs attention meanwhile."""
        pieces: list[bytes] = []
        size = 0
        while self._end is None and not self._fault and len(pieces) < MOST_PIECES:
            piece = self._next()
            if piece is not None:
                pieces.append(piece)
                size += len(piece)
            elif size >= BODY_SIZE or not self._receive_at_once():
                break
        return b"".join(pieces)

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()  # one read may hold thousands of pieces
        while self._end is None and not self._fault:
            piece = self._next()
            if piece is None:
                await self._receive()
            elif piece:
                if self._http.body_has_ended:  # so that the end is sent with it: many clients leave at the last byte
                    self._next()
                return piece
        return b""

    async def attend(self) -> None:
        refusal = await self._upload.attend()
        self._fault = self._fault or refusal.detail or refusal.reason

    def close(self, *, is_sent: bool) -> None:
        if self._done is None:
            return
        done, self._done = self._done, None
        if self._end is not None and self._upload.is_over and self._http.may_be_kept:
            self._idle.put(self._transport)
        else:
            self._transport.close()
        done(self._upload.taken, self._size, self._fault or ("" if is_sent and self._end is not None else CLIENT_LEFT))

    def discard(self) -> None:
        """Closes the connection: another backend is asked instead."""
        self._done = None
        self._transport.close()

    def _next(self) -> bytes | None:
        """Returns the next piece, ``b""`` at the end or a fault; ``None`` if more bytes are needed."""
        piece = self._http.next_piece()
        if isinstance(piece, BodyEnd):
            self._end = BodyEnd(trailer_fields(piece.trailers, self._dropped))
            return b""
        if isinstance(piece, BadAnswer):
            self._fault = f"the backend's answer: {piece.reason}"
            return b""
        if piece is not None:
            self._size += len(piece)
        return piece

    def _receive_at_once(self) -> bool:
        """Receives what has come. Returns whether that was anything."""
        try:
            self._http.receive(self._transport.recv(BODY_SIZE))
        except BLOCKED:
            return False
        except OSError as error:
            self._break_off(error)
        return True

    async def _receive(self) -> None:
        with trio.move_on_after(self._patience) as scope:
            try:
                self._http.receive(await receive_or_raise(self._transport, BODY_SIZE))
            except OSError as error:
                self._break_off(error)
        if scope.cancelled_caught:
            self._fault = f"the backend sent nothing for {self._patience:g} s"
        self._pump.serve_round_if_due()

    def _break_off(self, error: OSError) -> None:
        self._fault = f"the backend's answer broke off: {explain(error)}"
