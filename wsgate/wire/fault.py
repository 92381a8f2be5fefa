"""What a peer did wrong after the upgrade, as a value, and the codes by which a Close tells it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Fault:
    """The rule that a peer broke and the close code that tells it so (RFC 6455 §7.4.1).

    ``rule`` is a sentence for the log and, as it is under 123 bytes of ASCII, for the Close frame's reason too.
    """

    code: int
    rule: str
