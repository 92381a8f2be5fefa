"""What a peer did wrong after the upgrade, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """The rule that a peer broke and the close code that tells it so (RFC 6455 §7.4.1).

    ``rule`` is a sentence for the log and, as it is under 123 bytes of ASCII, for the Close frame's reason too.
    """

    code: int
    rule: str
