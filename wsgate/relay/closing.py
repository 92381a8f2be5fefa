"""The close table: which Close each side gets when a session ends (RFC 6455 §7)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.close import MAX_REASON, Close, CloseCode
from wsgate.wire.fault import Fault


class Side(enum.Enum):
    __hash__ = object.__hash__  # enum's own is a Python function

    CLIENT = "client"
    BACKEND = "backend"


class Cause(enum.Enum):
    """Why the input of a leg ended, or why the gateway ended the session. The log shows the value."""

    __hash__ = object.__hash__

    CLOSED = "closed"  # the peer sent a Close
    FINISHED = "finished"  # a peer without WebSocket sent FIN
    GONE = "gone"  # the connection ended or was reset without a Close
    FAULT = "fault"  # the peer broke a rule of the protocol
    TOO_BIG = "too_big"  # the peer sent more than the gateway's limits allow; the protocol allows it
    TOO_FAST = "too_fast"  # the peer sent more messages or bytes per second than the gateway's limits allow
    SILENT = "silent"  # nothing came from the peer, not even the Pong for a Ping
    STUCK = "stuck"  # the peer accepted none of the bytes that were waiting for it
    UNANSWERED = "unanswered"  # the peer did not answer the Close within the close timeout
    IDLE = "idle"  # no data in either direction
    LIFETIME = "lifetime"  # the session reached its maximum age
    EXPIRED = "expired"  # the time of the client's credential is over
    REVOKED = "revoked"  # the session's token or credential is no longer valid
    UNHEALTHY = "unhealthy"  # the backend's health checks fail, and the route ends its sessions then
    MOVED = "moved"  # the client should come back, to another backend
    OPERATOR = "operator"  # who runs the gateway has asked for it
    UNRECORDED = "unrecorded"  # the session must be recorded, and the recording failed
    DRAIN = "drain"  # the process stops
    BUG = "bug"  # an exception in the gateway itself
    CUT = "cut"  # cancelled: the process waits no longer


@dataclass(slots=True)
class End:
    """The end of a leg's input.

    close: the Close that was received (CLOSED), or the one to send to the faulty peer (FAULT, TOO_BIG, TOO_FAST)
    detail: for the log, more than the cause says
    """

    cause: Cause
    close: Close | None = None
    detail: str = ""


# The Close for the *other* side after the input of a side has ended without a Close of its own. A page in a browser can
# tell these apart only by the reason. "Target closed" is websockify's wording, which people search for.
CLOSE_TO_OTHER: dict[tuple[Cause, Side], Close] = {
    (Cause.FINISHED, Side.BACKEND): Close(CloseCode.NORMAL, b"Target closed"),
    (Cause.FINISHED, Side.CLIENT): Close(CloseCode.NORMAL, b"Target closed"),  # to a backend without WebSocket: a FIN
    (Cause.GONE, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client connection lost"),
    (Cause.GONE, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend connection lost"),
    (Cause.FAULT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client broke the protocol"),
    (Cause.FAULT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend broke the protocol"),
    (Cause.TOO_BIG, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client sent too much"),
    (Cause.TOO_BIG, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend sent too much"),
    (Cause.TOO_FAST, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client sent too fast"),
    (Cause.TOO_FAST, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend sent too fast"),
    (Cause.SILENT, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not answer a Ping"),
    (Cause.SILENT, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not answer a Ping"),
    (Cause.STUCK, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client took nothing for too long"),
    (Cause.STUCK, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend took nothing for too long"),
    (Cause.UNANSWERED, Side.CLIENT): Close(CloseCode.GOING_AWAY, b"client did not answer the Close"),
    (Cause.UNANSWERED, Side.BACKEND): Close(CloseCode.INTERNAL_ERROR, b"backend did not answer the Close"),
}

# The Close for the side that caused the end, if it can still be told. A fault has its own Close; a stuck peer accepts
# nothing, so it gets none.
CLOSE_TO_CAUSER: dict[Cause, Close] = {
    Cause.SILENT: Close(CloseCode.INTERNAL_ERROR, b"no answer to the gateway's Ping")
}

# The Close for both sides when the gateway ends a session without a fault of theirs. A drain's code is in the settings.
CLOSE_BY_GATEWAY: dict[Cause, Close] = {
    Cause.IDLE: Close(CloseCode.GOING_AWAY, b"the gateway ends idle sessions"),
    Cause.LIFETIME: Close(CloseCode.GOING_AWAY, b"the gateway ends sessions of this age"),
    Cause.EXPIRED: Close(CloseCode.POLICY_VIOLATION, b"token expired"),
    Cause.UNHEALTHY: Close(CloseCode.SERVICE_RESTART, b"the gateway finds the backend unhealthy"),
    Cause.MOVED: Close(CloseCode.SERVICE_RESTART, b"the gateway moves this session"),
    Cause.UNRECORDED: Close(CloseCode.INTERNAL_ERROR, b"the gateway cannot record this session"),
}
DRAIN_REASON = b"the gateway is going away"

# Causes for which the Close to the other side also names the broken rule, or the limit
_NAMES_RULE = frozenset({Cause.FAULT, Cause.TOO_BIG, Cause.TOO_FAST})


_CLOSED = Cause.CLOSED


def end_for_fault(fault: Fault) -> End:
    """Returns the end of an input whose peer broke a rule or exceeded a limit of the gateway."""
    cause = Cause.TOO_BIG if fault.code == CloseCode.TOO_BIG else Cause.FAULT
    return End(cause, Close(fault.code, fault.rule.encode()), fault.rule)


def close_for_other(received: Close | None, end: End, source: Side) -> Close:
    """Returns the Close for one side after the input of the other side, ``source``, has ended.

    A Close from ``source`` is passed on. Otherwise a side that has sent a Close itself and waits for the answer gets
    its own Close back (RFC 6455 §5.5.1: an endpoint typically echoes it).

    received: the Close that the side to be told has sent, if any
    end: the end of the input of ``source``
    """
    if end.cause is _CLOSED:
        assert end.close is not None
        return end.close
    told = CLOSE_TO_OTHER[end.cause, source]
    if end.cause in _NAMES_RULE:
        told = Close(told.code, b"%s: %s" % (told.reason, end.detail.encode()[: MAX_REASON - len(told.reason) - 2]))
    return received or told
