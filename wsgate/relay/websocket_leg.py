"""A leg that speaks WebSocket: frames of our own, and the closing handshake.

The gateway's own frames (Close, Ping, Pong) may be sent only between frames. Inside a frame they are kept in
``waiting_frames``, at most one of each kind. A newer Pong replaces an older one (RFC 6455 §5.5.3 allows it), so a flood
of Pings to a leg that does not read needs no memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from wsgate.net.cork import hold_back
from wsgate.net.random_bytes import random_bytes
from wsgate.net.transport import Transport
from wsgate.relay.leg import Leg
from wsgate.relay.states import CLOSING, INPUT_EOF, INPUT_OPEN, OPEN, SEALED, advance
from wsgate.wire.close import Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsgate.relay.closing import Side
    from wsgate.relay.pump import Pump

_CLOSE = Opcode.CLOSE
_PING_SIZE = 8  # bytes of random data in our Pings, to tell their Pongs from those for Pings of the other side


class WebSocketLeg(Leg):
    """A leg that speaks WebSocket.

    masks: the gateway is the client of this connection: its frames are masked (RFC 6455 §5.3), and the peer closes the
    TCP connection first (§7.1.1); otherwise the reverse
    rtt: seconds from our last Ping to its Pong; ``None`` before the first Pong
    unanswered_since: when the heartbeat has sent its last Ping (trio seconds), if nothing has come since; only
    ``timers`` uses it
    """

    __slots__ = ("_new_rtt", "_ping_data", "_pinged", "_truncated", "masks", "rtt", "unanswered_since")

    def __init__(self, pump: Pump, transport: Transport, side: Side, *, masks: bool) -> None:
        super().__init__(pump, transport, side)
        self.masks = masks
        self.rtt: float | None = None
        self._new_rtt: float | None = None
        self._ping_data = b""
        self._pinged: float | None = None
        self.unanswered_since: float | None = None
        self._truncated = False

    def send_control(self, opcode: Opcode, payload: bytes) -> None:
        """Sends a Ping or a Pong of our own at the next frame boundary. Does nothing after a Close."""
        if self.output is not OPEN:
            return
        if self.pending is None and self.output_flow.at_boundary():
            self.write(self._frame(opcode, payload))
        else:
            self._keep_waiting(opcode, payload)

    def ping(self) -> None:
        """Sends a Ping to check that the peer is alive. Its data is always the same, so a late Pong is recognised
        too."""
        self._ping_data = self._ping_data or random_bytes(_PING_SIZE)
        self._pinged = trio.current_time()
        self.send_control(Opcode.PING, self._ping_data)

    def take_own_pong(self, payload: bytes) -> bool:
        """Whether a Pong answers one of our Pings, and is not to be passed on. Updates ``rtt``."""
        if not self._ping_data or payload != self._ping_data:
            return False
        if self._pinged is not None:
            self.rtt = self._new_rtt = trio.current_time() - self._pinged
            self._pinged = None
        return True

    def take_rtt(self) -> float | None:
        """Returns ``rtt`` if it has been measured since the last call."""
        rtt, self._new_rtt = self._new_rtt, None
        return rtt

    def has_sent_ping(self) -> bool:
        """Whether our Ping has been sent and does not wait for the end of a frame."""
        return not self.waiting_frames or Opcode.PING not in self.waiting_frames

    def answer_pings(self, pings: Sequence[bytes]) -> None:
        """Sends a Pong for each Ping with the Ping's data (§5.5.3); only for the last one if they have to wait."""
        if self.output is not OPEN or self.pending is not None or not self.output_flow.at_boundary():
            self.send_control(Opcode.PONG, pings[-1])
        else:
            self.write(b"".join(self._frame(Opcode.PONG, data) for data in pings))

    def close(self, close: Close) -> None:
        """Sends a Close at the next frame boundary."""
        if self.output is not OPEN and self.output is not CLOSING:
            return
        boundary = self.output_flow.at_boundary()
        if self.output_flow.ended and not boundary:
            # The source ended inside a frame. No boundary will come, and a Close inside a frame would be data (§5.4).
            # So the connection ends there, and the peer discards the unfinished message.
            self.waiting_frames = None
            self._truncated = True
            self.output = advance(self.output, SEALED)
        elif self.output is OPEN:
            self.output = advance(self.output, CLOSING)
            self._keep_waiting(_CLOSE, close.payload())
            if boundary:
                self._send_waiting()

    def send_waiting(self) -> None:
        if self.waiting_frames and self.output_flow.at_boundary() and self._send_waiting():
            self.owner.progressed()

    def _send_waiting(self) -> bool:
        """Sends our own frames. Returns whether there was a Close among them."""
        waiting, self.waiting_frames = self.waiting_frames, None
        assert waiting is not None
        if _CLOSE in waiting and self.input is not INPUT_OPEN and not self.masks:
            hold_back(self.transport.connection)  # until the FIN of ``finish``, which comes next
        for opcode in sorted(waiting, reverse=True):  # Close has the lowest number and comes last
            self.write(self._frame(opcode, waiting[opcode]))
        if _CLOSE not in waiting:
            return False
        if self.output is CLOSING:  # not if these writes failed
            self.output = advance(self.output, SEALED)
        self._note_close(waiting[_CLOSE])
        return True

    def request_close(self, close: Close) -> None:
        self.close(close)

    def receive_close(self, close: Close) -> None:
        """The peer has sent a Close."""
        self.received_close = close
        self._note_close(close.payload())

    def finish(self) -> bool:
        if not self.output_over:
            return False
        if self._truncated or (self.input is not INPUT_OPEN and not self.masks):
            self._shut_down()
        return self.input is INPUT_EOF

    def _keep_waiting(self, opcode: Opcode, payload: bytes) -> None:
        if self.waiting_frames is None:
            self.waiting_frames = {}
        self.waiting_frames[opcode] = payload

    def _frame(self, opcode: Opcode, payload: bytes) -> bytes:
        return encode_frame(opcode, payload, random_bytes(4) if self.masks else None)

    def _note_close(self, payload: bytes) -> None:
        if self.close_code is None:
            self.close_code = int.from_bytes(payload[:2], "big") or CloseCode.NO_STATUS
            self.close_reason = payload[2:]
