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
    SILENT = "silent"  # nothing came, not even the answer to a Ping
    STUCK = "stuck"  # it took nothing of what waited for it
    UNANSWERED = "unanswered"  # it let the close timeout pass
    IDLE = "idle"  # no data in either direction
    LIFETIME = "lifetime"  # the session was old enough
    REVOKED = "revoked"  # its token is worth nothing any more
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
    (Cause.SILENT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client does not answer"),
    (Cause.SILENT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend does not answer"),
    (Cause.STUCK, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client takes nothing"),
    (Cause.STUCK, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend takes nothing"),
    (Cause.UNANSWERED, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not close"),
    (Cause.UNANSWERED, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not close"),
}

# What the side itself is owed whose fault it is, where it can still be told. A fault has its own code with it; a stuck
# peer takes nothing, this neither.
OWED: dict[Cause, Close] = {Cause.SILENT: Close(CloseCode.INTERNAL_ERROR, b"no answer to a Ping")}

# What both sides are told where the gateway ends a session and nobody is at fault. A drain's code is in the settings.
OWN_WORD: dict[Cause, Close] = {
    Cause.IDLE: Close(CloseCode.GOING_AWAY, b"idle"),
    Cause.LIFETIME: Close(CloseCode.GOING_AWAY, b"session lifetime is over"),
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
