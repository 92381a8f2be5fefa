"""What a flow has inflated and compressed, for counters that are read while its session is open."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(slots=True)
class CodecWork:
    """What a flow has inflated and compressed.

    received, inflated: bytes of compressed payloads that came, and the plain bytes that they became
    inflating: seconds that this took
    plain, deflated: bytes that were compressed for the sink, and the payloads that they became
    deflating: seconds that this took
    """

    received: int = 0
    inflated: int = 0
    inflating: float = 0.0
    plain: int = 0
    deflated: int = 0
    deflating: float = 0.0

    def copy(self) -> CodecWork:
        return CodecWork(*astuple(self))

    def since(self, before: CodecWork) -> CodecWork:
        """Returns the difference to an earlier state."""
        return CodecWork(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))
