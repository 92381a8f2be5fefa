"""A peer's fault after the upgrade, as a value, and the close codes."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CloseCode(enum.IntEnum):
    """The registered codes (RFC 6455 §7.4.1 and the IANA registry for 1012 to 1014)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005  # never sent: the Close had no code
    ABNORMAL = 1006  # never sent: there was no Close
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


@dataclass(frozen=True, slots=True)
class Fault:
    """The rule of RFC 6455 that a peer broke.

    code: for the Close frame that is sent to the peer (§7.4.1)
    rule: for the log and for the Close frame's reason; ASCII, at most 123 bytes
    """

    code: int
    rule: str
