"""The flows of a tunnel: frames are unwrapped for the TCP service, and what it sends is wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgate.relay.closing import Cause, End
from wsgate.relay.flow import Flow, WalkingFlow
from wsgate.relay.states import Output
from wsgate.wire.frame_reader import ReadFrame
from wsgate.wire.frames import FIN, Opcode
from wsgate.wire.walk import CONTROL, FAULT, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.flow import MakeFlows, Owner, ReadFrames
    from wsgate.relay.leg import Leg
    from wsgate.relay.pump import Pump
    from wsgate.relay.tcp_leg import TcpLeg
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.kernel import Walk

_BINARY = FIN | Opcode.BINARY


class UnwrapFlow(WalkingFlow):
    """WebSocket to TCP, with an unwrapping walk."""

    __slots__ = ()

    def reader(self) -> Callable[[], None]:
        return self.unwrap_turn if self._is_plain() else self.pull

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        self.walk.out = start
        self._go_on(start, self.walk.walk(self.pump.buffer, start, end), end, 0)

    def _go_on(self, start: int, stop: int, end: int, sent: int) -> None:
        """Handles the result of a walk over ``start:end`` that stopped at ``stop``. The fast path calls it, too.

        sent: how many of the unwrapped bytes the sink has accepted already
        """
        walk = self.walk
        pump = self.pump
        pings: list[bytes] = []
        controls = 0
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            controls += 1
            if walk.opcode == Opcode.PING:
                pings.append(walk.payload)
            else:
                self.source.take_own_pong(walk.payload)
            stop = walk.walk(pump.buffer, walk.resume, end)
        if controls:
            self._slow_down(controls)
        if pings:
            self.source.answer_pings(pings)
        if walk.out > start:
            self.last_moved = pump.now
            self.sink.write(pump.view[start + sent : walk.out])
        if walk.halt == INCOMPLETE:
            self._carry = bytes(pump.view[stop:end])
        elif walk.halt == FAULT:
            self._fail()
        elif walk.halt == CONTROL:
            self._receive_close()


class WrapFlow(Flow):
    """TCP to WebSocket."""

    __slots__ = ()

    sink: WebSocketLeg

    def __init__(self, owner: Owner, pump: Pump, source: Leg, sink: WebSocketLeg) -> None:
        super().__init__(owner, pump, source, sink)
        self._wrapped = 0

    @property
    def messages(self) -> int:
        return self._wrapped

    def reader(self) -> Callable[[], None]:
        return self.wrap_turn if self._is_plain() else self.pull

    def frame_reader(self, keep: int) -> ReadFrames:
        """Each read becomes a frame."""
        return lambda data: [ReadFrame(_BINARY, len(data), bytes(data[:keep]))] if data else []

    def move(self, start: int, end: int) -> None:
        """Writes the header into the headroom in front of the payload (RFC 6455 §5.2). Frames to a client are
        unmasked."""
        buffer = self.pump.buffer
        size = end - start
        if size < 126:
            start -= 2
            buffer[start + 1] = size
        elif size < 1 << 16:
            start -= 4
            buffer[start + 1] = 126
            buffer[start + 2] = size >> 8
            buffer[start + 3] = size & 0xFF
        else:
            start -= 10
            buffer[start + 1] = 127
            buffer[start + 2 : start + 10] = size.to_bytes(8, "big")
        buffer[start] = _BINARY
        self._wrapped += 1
        self.last_moved = self.pump.now
        self._go_on(start, end, end, 0)

    def _go_on(self, start: int, stop: int, end: int, sent: int) -> None:
        """Sends ``start:end``, of which the sink has accepted ``sent`` bytes already. The fast path calls it, too."""
        self.sink.write(self.pump.view[start + sent : end])

    def _end_of_file(self) -> End:
        if self.source.output is Output.BROKEN:  # the kernel reports a reset once, and a write has got it
            return End(Cause.GONE, detail="connection lost: it was reset")
        return End(Cause.FINISHED)


def tunnel(client: WebSocketLeg, backend: TcpLeg, up: Walk) -> MakeFlows:
    """Makes the flows with WebSocket to the client and TCP to the backend. ``up`` must unwrap."""
    return lambda owner: (
        UnwrapFlow(owner, client.pump, client, backend, up),
        WrapFlow(owner, client.pump, backend, client),
    )
