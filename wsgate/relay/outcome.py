"""How a session ended."""

from __future__ import annotations

from dataclasses import dataclass

from wsgate.relay.closing import Cause, Side
from wsgate.relay.codec_work import CodecWork


@dataclass(slots=True)
class Outcome:
    """How a session ended, with its counts.

    side: the side that ended it; ``None`` for the gateway itself
    client_code, backend_code: the close code of the first Close on that leg, in either direction; 1005 for a Close
    without a code, ``None`` without a Close
    client_reason, backend_reason: the reason in that Close; empty for none
    octets_up, octets_down: bytes received from the client and from the backend, frame headers included
    largest_up, largest_down: bytes of the largest message; ``None`` in the direction of a TCP service
    codec_up, codec_down: what was inflated and compressed; ``None`` without compression that the gateway looks into
    throttled_up, throttled_down: seconds for which the client, or the backend, was not read because it sent too fast
    client_rtt, backend_rtt: seconds from the gateway's last Ping to its Pong; ``None`` without one
    """

    cause: Cause
    side: Side | None
    detail: str
    client_code: int | None
    backend_code: int | None
    messages_up: int
    messages_down: int
    octets_up: int
    octets_down: int
    client_rtt: float | None
    backend_rtt: float | None
    largest_up: int | None = None
    largest_down: int | None = None
    client_reason: str = ""
    backend_reason: str = ""
    throttled_up: float = 0.0
    throttled_down: float = 0.0
    codec_up: CodecWork | None = None
    codec_down: CodecWork | None = None
