"""What a session has moved so far, for counters that are read while it is open.

The flows and legs count anyway. So the path of a message does nothing for these counters.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wsgate.relay.flow import Flow
    from wsgate.relay.leg import Leg


class Traffic(NamedTuple):
    """What a session has moved: ``up`` from the client, ``down`` from the backend.

    octets: bytes, frame headers included
    stalls: how often the receiving side accepted no more, so that the other one was not read
    stalled: seconds for which it did
    """

    messages_up: int = 0
    octets_up: int = 0
    stalls_up: int = 0
    stalled_up: float = 0.0
    messages_down: int = 0
    octets_down: int = 0
    stalls_down: int = 0
    stalled_down: float = 0.0

    def since(self, before: Traffic) -> Traffic:
        """Returns the difference to an earlier state."""
        return Traffic._make(map(operator.sub, self, before))


def traffic_of(flows: tuple[Flow, Flow], client: Leg, backend: Leg) -> Traffic:
    """Returns what two flows, up and down, have moved between two legs."""
    up, down = flows
    return Traffic(
        up.messages,
        up.octets,
        backend.stalls,
        backend.stalled,
        down.messages,
        down.octets,
        client.stalls,
        client.stalled,
    )
