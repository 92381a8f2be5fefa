"""How a session's end is told: the close table (RFC 6455 §7) as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.close import MAX_REASON, Close, CloseCode
from wsgate.wire.fault import Fault


class Side(enum.Enum):
    CLIENT = "client"
    BACKEND = "backend"


class Cause(enum.Enum):
    """Why one leg's input ended, or why the gateway ended the session. The value is the log's word."""

    CLOSED = "closed"  # it said Close
    FINISHED = "finished"  # a TCP service sent FIN
    GONE = "gone"  # the connection ended or was reset without a Close
    FAULT = "fault"  # it broke a rule of the protocol
    TOO_BIG = "too_big"  # it sent more than this gateway's limits allow: no rule of the protocol
    SILENT = "silent"  # nothing came, not even the answer to a Ping
    STUCK = "stuck"  # it took nothing of what waited for it
    UNANSWERED = "unanswered"  # it let the close timeout pass
    IDLE = "idle"  # no data in either direction
    LIFETIME = "lifetime"  # the session was old enough
    REVOKED = "revoked"  # its token is worth nothing any more
    UNRECORDED = "unrecorded"  # it had to be recorded, and could not be any more
    DRAIN = "drain"  # the process stops
    BUG = "bug"  # an exception in the gateway itself
    CUT = "cut"  # cancelled: the process does not wait any longer


@dataclass(frozen=True, slots=True)
class End:
    """The end of one leg's input.

    close: the Close that was received (CLOSED), or the one that a faulty peer is owed (FAULT, TOO_BIG)
    detail: for the log, what a cause alone does not say
    """

    cause: Cause
    close: Close | None = None
    detail: str = ""


# What the *other* side is told when a side's input has ended and left no words of its own. The reason is the only thing
# a browser shows its page that tells these apart. "Target closed" is websockify's wording, which people search for.
TOLD: dict[tuple[Cause, Side], Close] = {
    (Cause.FINISHED, Side.BACKEND): Close(CloseCode.NORMAL, b"Target closed"),
    (Cause.GONE, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client connection lost"),
    (Cause.GONE, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend connection lost"),
    (Cause.FAULT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client broke the protocol"),
    (Cause.FAULT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend broke the protocol"),
    (Cause.TOO_BIG, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client sent too much"),
    (Cause.TOO_BIG, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend sent too much"),
    (Cause.SILENT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not answer a Ping"),
    (Cause.SILENT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not answer a Ping"),
    (Cause.STUCK, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client took nothing for too long"),
    (Cause.STUCK, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend took nothing for too long"),
    (Cause.UNANSWERED, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not answer the Close"),
    (Cause.UNANSWERED, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not answer the Close"),
}

# What the side itself is owed whose fault it is, where it can still be told. A fault has its own code with it; a stuck
# peer takes nothing, this neither.
OWED: dict[Cause, Close] = {Cause.SILENT: Close(CloseCode.INTERNAL_ERROR, b"no answer to the gateway's Ping")}

# What both sides are told where the gateway ends a session and nobody is at fault. A drain's code is in the settings.
OWN_WORD: dict[Cause, Close] = {
    Cause.IDLE: Close(CloseCode.GOING_AWAY, b"the gateway ends idle sessions"),
    Cause.LIFETIME: Close(CloseCode.GOING_AWAY, b"the gateway ends sessions of this age"),
    Cause.UNRECORDED: Close(CloseCode.INTERNAL_ERROR, b"the gateway cannot record this session"),
}
DRAIN_REASON = b"the gateway is going away"

# Causes of which the rule that was broken says more, to the other side too
_WITH_RULE = frozenset({Cause.FAULT, Cause.TOO_BIG})


def end_by(fault: Fault) -> End:
    """The end of an input that broke a rule, or passed a limit of this gateway's."""
    cause = Cause.TOO_BIG if fault.code == CloseCode.TOO_BIG else Cause.FAULT
    return End(cause, Close(fault.code, fault.rule.encode()), fault.rule)


def word_for(received: Close | None, end: End, source: Side) -> Close:
    """The Close for one side after the other, ``source``, has ended.

    A Close goes on as it is. Else, where the side told has said Close itself and waits for the answer, it gets its own
    words back (RFC 6455 §5.5.1: an endpoint typically echoes them).
    """
    if end.cause is Cause.CLOSED:
        assert end.close is not None
        return end.close
    told = TOLD[end.cause, source]
    if end.cause in _WITH_RULE:
        told = Close(told.code, b"%s: %s" % (told.reason, end.detail.encode()[: MAX_REASON - len(told.reason) - 2]))
    return received or told
