"""A request on its way to a backend: head and body, as fast as the backend takes them."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from wsgate.gate.incoming import MOST_PIECES, Incoming
from wsgate.gate.refusals import CLIENT_GONE
from wsgate.net.io import BODY_SIZE
from wsgate.net.tcp_info import unacknowledged
from wsgate.net.transport import BLOCKED, Transport
from wsgate.wire.backend_http import BackendHttp
from wsgate.wire.forwarding import trailer_fields
from wsgate.wire.headers import Names
from wsgate.wire.http import BodyEnd, Refusal

_STALLED = Refusal(504, "the backend did not take the request in time")


class Upload:
    """Sends one request. ``run`` may be cancelled at any time and called again: it goes on where it was.

    patience: seconds without progress after which the backend counts as stalled
    dropped: names of trailer fields that the backend does not get, in lower case
    taken: bytes of the body that were taken from the client; if any were, the request cannot be sent anew
    """

    def __init__(
        self,
        incoming: Incoming,
        transport: Transport,
        http: BackendHttp,
        patience: float,
        dropped: Names = (),
        *,
        has_body: bool,
    ) -> None:
        self._incoming = incoming
        self._transport = transport
        self._http = http
        self._patience = patience
        self._dropped = dropped
        self._ended = not has_body
        self._pending = memoryview(http.request + (b"" if has_body else http.finish()))
        self._in_chunks = has_body and http.in_chunks
        self._refused = False
        self.taken = 0

    @property
    def is_over(self) -> bool:
        """Whether the request was sent, or the backend takes no more of it."""
        return self._refused or (self._ended and not self._pending)

    async def send(self) -> Refusal | None:
        """Sends the rest. Returns why it does not come; ``None`` once the request is over.

        A backend that takes no more may have answered already, and the answer says why.
        """
        while not self.is_over:
            refusal = self._add_ready()
            if refusal is None and not self._pending and not self._ended:
                refusal = self._add([await self._incoming.read()])
            if refusal is None and self._pending and not await self._send_some():
                refusal = _STALLED
            if refusal is not None:
                return refusal
            if not self.is_over:
                await self._incoming.give_way()
        return None

    def send_at_once(self) -> bool:
        """Sends what can be sent without waiting. Returns whether the request is over, as it nearly always is if it has
        no body."""
        try:
            self._pending = self._pending[self._transport.send(self._pending) :]
        except BLOCKED:
            pass
        except OSError:
            self._refused = True
        return self.is_over

    def _add_ready(self) -> Refusal | None:
        """Adds what has come already, so that a small request is sent at once."""
        pieces: list[bytes | BodyEnd | Refusal] = []
        while not self._ended and len(pieces) < MOST_PIECES and len(self._pending) < BODY_SIZE:
            piece = self._incoming.read_ready()
            if piece is None:
                break
            pieces.append(piece)
            if not isinstance(piece, bytes):
                break
        return self._add(pieces)

    def _add(self, pieces: Sequence[bytes | BodyEnd | Refusal]) -> Refusal | None:
        data = [self._pending]
        for piece in pieces:
            if isinstance(piece, Refusal):
                return piece
            if isinstance(piece, BodyEnd):
                self._ended = True
                trailers = trailer_fields(piece.trailers, self._dropped) if self._in_chunks else ()
                data.append(memoryview(self._http.finish(trailers)))
            else:
                self.taken += len(piece)
                data.append(memoryview(self._http.data(piece)))
        if len(data) > 1:
            self._pending = memoryview(b"".join(data))
        return None

    async def attend(self) -> Refusal:
        """Sends the rest, and waits for the client to leave. Returns why the exchange must end."""
        refusal = await self.send()
        if refusal is None and self._refused:
            await trio.sleep_forever()
        if refusal is None:
            await self._incoming.wait_until_left()
        return refusal or CLIENT_GONE

    async def _send_some(self) -> bool:
        """Sends something, or waits until that is possible. Returns False if the backend takes nothing for too long."""
        left = len(self._pending)
        if self.send_at_once() or len(self._pending) < left:
            return True
        before = unacknowledged(self._transport)
        with trio.move_on_after(self._patience) as scope:
            await trio.lowlevel.wait_writable(self._transport)
        return not scope.cancelled_caught or unacknowledged(self._transport) < before
