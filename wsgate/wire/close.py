"""Close frames: their codes, and their payload in both directions (RFC 6455 §5.5.1, §7.4)."""

from __future__ import annotations

from dataclasses import dataclass

from wsgate.wire.fault import CloseCode, Fault
from wsgate.wire.rules import Rule, fault

__all__ = ["MAX_REASON", "Close", "CloseCode", "may_be_sent", "parse_close"]


MAX_REASON = 123  # bytes: a control frame carries 125, the code takes two (RFC 6455 §5.5)


def may_be_sent(code: int) -> bool:
    """Whether a Close frame may carry ``code``: §7.4.1 reserves some, §7.4.2 leaves 3000 to 4999 to applications."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


@dataclass(slots=True)
class Close:
    """The content of a Close frame.

    code: ``None`` for an empty payload
    reason: UTF-8, at most 123 bytes
    """

    code: int | None
    reason: bytes = b""

    def payload(self) -> bytes:
        if self.code is None:
            return b""
        return self.code.to_bytes(2, "big") + self.reason


def parse_close(payload: bytes) -> Close | Fault:
    """Returns the content of a Close frame's unmasked payload, or the fault in it (§5.5.1, §7.4)."""
    if not payload:
        return Close(None)
    if len(payload) == 1:
        return fault(Rule.SHORT_CLOSE)
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        return fault(Rule.CLOSE_CODE, code)
    reason = payload[2:]
    try:
        reason.decode()
    except UnicodeDecodeError:
        return fault(Rule.CLOSE_REASON)
    return Close(code, reason)
