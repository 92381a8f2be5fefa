"""The flow of a relay, from WebSocket to WebSocket, in each direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgate.net.transport import BLOCKED
from wsgate.relay import fast_relay
from wsgate.relay.flow import WalkingFlow
from wsgate.relay.pump import HEADROOM
from wsgate.relay.states import Output
from wsgate.wire.frames import Opcode
from wsgate.wire.walk import CONTROL, DONE, FAULT, INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgate.relay.flow import MakeFlows, Owner
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg
    from wsgate.wire.kernel import Walk

_OPEN = Output.OPEN  # used for each message; before Python 3.12 looking up an enum's member calls a Python function


class RelayFlow(WalkingFlow):
    """WebSocket to WebSocket. ``answers_pings``: the gateway answers Pings itself and passes none on."""

    __slots__ = ("_answers_pings", "_read_end", "_reads_many", "_relay_once", "_write_end")

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
        self._reads_many = False  # whether one read takes several TLS records, while they are full
        if fast_relay.relay_once is not None:
            self._relay_once = fast_relay.relay_once
            self._read_end = source.transport.read_end
            self._write_end = sink.transport.write_end
        super().__init__(owner, pump, source, sink, walk)

    def reader(self) -> Callable[[], None]:
        """``pull`` if the compiled call was not built, and for reads of another size: several records, or fewer
        bytes."""
        if fast_relay.relay_once is None or self._reads_many or self.read_area is not self.pump.read_area:
            return self.pull
        return self._fast_relay

    def at_boundary(self) -> bool:
        return not self.walk.left

    def _fast_relay(self) -> None:
        """Does ``pull`` and ``move`` in one compiled call, if nothing is pending or waiting. Replaces ``pull``."""
        source = self.source
        sink = self.sink
        if self._carry or sink.waiting_frames or sink.pending is not None or sink.output is not _OPEN:
            self.pull()
            return
        pump = self.pump
        try:
            came = self._relay_once(self.walk, self._read_end, self._write_end, pump.buffer, HEADROOM)
        except BLOCKED:
            return
        except OSError as error:
            if self._tls_record:
                self.pull()  # the transport raises the same error again, with its own text
            else:
                self._lose(error)
            return
        if not came:
            self._finish(self._end_of_file(), eof=True)
            return
        if isinstance(came, int):
            size = came
            self.last_moved = pump.now
        else:
            size, stop, sent = came
            self._handle_walk(HEADROOM, stop, HEADROOM + size, sent)
        self.octets += size
        source.last_read = pump.now
        if size == self._tls_record:
            self._read_many(True)

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
        if self._reads_many and end - start < self._tls_record:
            self._read_many(False)

    def _read_many(self, many: bool) -> None:
        self._reads_many = many
        self.source.choose_reader()

    def _move(self, start: int, end: int) -> None:
        self._handle_walk(start, self.walk.walk(self.pump.buffer, start, end), end, 0)

    def _handle_walk(self, start: int, stop: int, end: int, sent: int) -> None:
        """Handles the result of a walk over ``start:end`` that stopped at ``stop``.

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
