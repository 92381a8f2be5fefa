"""The flow of a relay whose two sides compress end to end: it looks into messages and passes them on as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgate.relay.deflate_flow import Checks, DeflateFlow, Direction

if TYPE_CHECKING:
    from wsgate.relay.flow import MakeFlows, Owner
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg


class InspectFlow(DeflateFlow):
    """Passes on the frames as they came, each piece of a compressed payload after it was checked."""

    __slots__ = ("_held", "_is_at_boundary")

    def __init__(
        self,
        owner: Owner,
        pump: Pump,
        source: WebSocketLeg,
        sink: WebSocketLeg,
        direction: Direction,
        checks: Checks,
    ) -> None:
        self._held = b""
        self._is_at_boundary = True  # whether the sink has got whole frames only
        super().__init__(owner, pump, source, sink, direction, checks)

    def at_boundary(self) -> bool:
        return self._is_at_boundary and super().at_boundary()

    def _pass(self, at: int, payload: int, stop: int, *, is_last: bool) -> None:
        self._out.append(self.pump.view[at:stop])
        self._is_at_boundary = not self.walk.left

    def _hold(self, at: int, stop: int) -> None:
        self._held = bytes(self.pump.view[at:stop])

    def _release(self) -> None:
        self._out.append(self._held)
        self._held = b""
        self._is_at_boundary = not self.walk.left


def inspect(client: WebSocketLeg, backend: WebSocketLeg, up: Direction, down: Direction, checks: Checks) -> MakeFlows:
    """Makes the flows of a session whose two sides compress end to end."""
    return lambda owner: (
        InspectFlow(owner, client.pump, client, backend, up, checks),
        InspectFlow(owner, client.pump, backend, client, down, checks),
    )
