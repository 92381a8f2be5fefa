"""Close frames: their codes, and their payload in both directions (RFC 6455 §5.5.1, §7.4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wsgate.wire.fault import Fault


class CloseCode(enum.IntEnum):
    """The registered codes (RFC 6455 §7.4.1 and the IANA registry for 1012 to 1014)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005  # never on the wire: "the Close had no code"
    ABNORMAL = 1006  # never on the wire: "there was no Close"
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


MAX_REASON = 123  # bytes: a control frame carries 125, the code takes two (RFC 6455 §5.5)


def may_be_sent(code: int) -> bool:
    """Whether a code may stand in a Close frame: §7.4.1 reserves some, §7.4.2 leaves 3000 to 4999 to applications."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


@dataclass(frozen=True, slots=True)
class Close:
    """What a Close frame says. ``code`` is ``None`` for an empty payload; ``reason`` is UTF-8 of at most 123 bytes."""

    code: int | None
    reason: bytes = b""

    def payload(self) -> bytes:
        if self.code is None:
            return b""
        return self.code.to_bytes(2, "big") + self.reason


def parse_close(payload: bytes) -> Close | Fault:
    """The meaning of a Close frame's unmasked payload, or what is wrong with it."""
    if not payload:
        return Close(None)
    if len(payload) == 1:
        return Fault(CloseCode.PROTOCOL_ERROR, "close payload of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        return Fault(CloseCode.PROTOCOL_ERROR, f"close code {code} may not be sent")
    reason = payload[2:]
    try:
        reason.decode()
    except UnicodeDecodeError:
        # §5.5.1 wants UTF-8 here; §8.1's code for bad text is 1007
        return Fault(CloseCode.INVALID_DATA, "close reason is not UTF-8")
    return Close(code, reason)
