"""How a session's end is told: the close table (RFC 6455 §7, DESIGN §4) as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.close import Close, CloseCode


class Side(enum.Enum):
    CLIENT = "client"
    BACKEND = "backend"


class Cause(enum.Enum):
    """Why one leg's input ended, or why the gateway ended the session. The value is the log's word."""

    CLOSED = "closed"  # it said Close
    FINISHED = "finished"  # a TCP service sent FIN
    GONE = "gone"  # the connection ended or was reset without a Close
    FAULT = "fault"  # it broke a rule of the protocol
    SILENT = "silent"  # it let the close timeout pass
    DRAIN = "drain"  # the process stops
    BUG = "bug"  # an exception in the gateway itself
    CUT = "cut"  # cancelled: the process does not wait any longer


@dataclass(frozen=True, slots=True)
class End:
    """The end of one leg's input.

    close: the Close that was received (CLOSED), or the one that a faulty peer is owed (FAULT)
    detail: for the log, what a cause alone does not say
    """

    cause: Cause
    close: Close | None = None
    detail: str = ""


# What the *other* side is told when a side's input has ended and left no words of its own. The reason is the only thing
# a browser shows its page that tells these apart. "Target closed" is websockify's wording, which people search for.
_TOLD: dict[tuple[Cause, Side], Close] = {
    (Cause.FINISHED, Side.BACKEND): Close(CloseCode.NORMAL, b"Target closed"),
    (Cause.GONE, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client connection lost"),
    (Cause.GONE, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend connection lost"),
    (Cause.FAULT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client broke the protocol"),
    (Cause.FAULT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend broke the protocol"),
    (Cause.SILENT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not close"),
    (Cause.SILENT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not close"),
}


def word_for(received: Close | None, end: End, source: Side) -> Close:
    """The Close for one side after the other, ``source``, has ended.

    A Close goes on as it is. Else, where the side told has said Close itself and waits for the answer, it gets its own
    words back (RFC 6455 §5.5.1: an endpoint typically echoes them).
    """
    if end.cause is Cause.CLOSED:
        assert end.close is not None
        return end.close
    return received or _TOLD[end.cause, source]
