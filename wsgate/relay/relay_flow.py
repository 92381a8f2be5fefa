"""The flow of a relay, from WebSocket to WebSocket, in each direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgate.relay.flow import WalkingFlow
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.flow import MakeFlows, Owner
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.kernel import Walk


class RelayFlow(WalkingFlow):
    """WebSocket to WebSocket. ``answers_pings``: the gateway answers Pings itself and passes none on."""

    __slots__ = ("_answers_pings",)

    sink: WebSocketLeg

    def __init__(
        self,
        owner: Owner,
        pump: Pump,
        source: WebSocketLeg,
        sink: WebSocketLeg,
        walk: Walk,
        *,
        answers_pings: bool = False,
    ) -> None:
        self._answers_pings = answers_pings
        super().__init__(owner, pump, source, sink, walk)

    def reader(self) -> Callable[[], None]:
        return self.relay_turn if self._is_plain() else self.pull

    def at_boundary(self) -> bool:
        return not self.walk.left

    def move(self, start: int, end: int) -> None:
        if self._carry:
            start = self._restore_carry()
        sink = self.sink
        if sink.waiting_frames:
            boundary = start + self.walk.left
            if boundary < end:
                self._move(start, boundary)
                sink.send_waiting()
                if self.ended:
                    return
                start = boundary
        self._move(start, end)
        if sink.waiting_frames:
            sink.send_waiting()

    def _move(self, start: int, end: int) -> None:
        self._go_on(start, self.walk.walk(self.pump.buffer, start, end), end, 0)

    def _go_on(self, start: int, stop: int, end: int, sent: int) -> None:
        """Handles the result of a walk over ``start:end`` that stopped at ``stop``. The fast path calls it, too.

        sent: how many of its bytes the sink has accepted already; 0 if the walk stopped early
        """
        walk = self.walk
        pump = self.pump
        halt = walk.halt
        if halt == CONTROL:
            start, stop = self._pass_controls(start, stop, end)
            halt = walk.halt
        elif stop > start:
            self.last_moved = pump.now
        if stop > start:
            self.sink.write(pump.view[start + sent : stop])
        if halt == DONE:
            return
        if halt == INCOMPLETE:
            self._carry = bytes(pump.view[stop:end])
        elif halt == FAULT:
            self._fail()
        else:
            self._receive_close()

    def _pass_controls(self, start: int, stop: int, end: int) -> tuple[int, int]:
        """Continues the walk over Pings and Pongs. Returns start and stop of the bytes that are still to be passed on.

        Pings and Pongs are passed on in their place like other frames. Exceptions are the Pongs for our own Pings, and
        the Pings that the gateway answers.
        """
        walk = self.walk
        pump = self.pump
        answered: list[bytes] = []
        after = start  # behind the last control frame
        controls = 0
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            controls += 1
            if stop > after:
                self.last_moved = pump.now
            after = walk.resume
            if walk.opcode == Opcode.PONG:
                ours = self.source.take_own_pong(walk.payload)
            else:
                ours = self._answers_pings
                if ours:
                    answered.append(walk.payload)
            if ours:
                if stop > start:
                    self.sink.write(pump.view[start:stop])
                start = after
            stop = walk.walk(pump.buffer, after, end)
        if stop > after:
            self.last_moved = pump.now
        if answered:
            self.source.answer_pings(answered)
        self._slow_down(controls)
        return start, stop


def relay(
    client: WebSocketLeg, backend: WebSocketLeg, up: Walk, down: Walk, *, answers_pings: bool = False
) -> MakeFlows:
    """Makes the flows with WebSocket on both sides. ``answers_pings``: Pings are answered here, not passed on."""
    return lambda owner: (
        RelayFlow(owner, client.pump, client, backend, up, answers_pings=answers_pings),
        RelayFlow(owner, client.pump, backend, client, down, answers_pings=answers_pings),
    )
