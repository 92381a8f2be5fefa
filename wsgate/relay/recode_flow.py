"""The flow of a relay with a compression of its own on each side: it makes new frames from the plain bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from wsgate.relay.deflate_flow import Checks, DeflateFlow, Direction
from wsgate.wire.frames import FIN, MASK, RSV1, encode_header
from wsgate.wire.kernel import apply_mask

if TYPE_CHECKING:
    from wsgate.relay.flow import MakeFlows, Owner
    from wsgate.relay.pump import Pump
    from wsgate.relay.websocket_leg import WebSocketLeg


@dataclass(frozen=True, slots=True)
class Recoding:
    """Which messages are compressed.

    threshold: plain bytes from which on one is; one whose end has not come yet always is
    never: opcodes of messages that are not
    """

    threshold: int
    never: frozenset[int]


class RecodeFlow(DeflateFlow):
    """Makes new frames from the plain bytes, compressed for the sink or not."""

    __slots__ = ("_compresses", "_deflater", "_is_begun", "_recoding")

    def __init__(
        self,
        owner: Owner,
        pump: Pump,
        source: WebSocketLeg,
        sink: WebSocketLeg,
        direction: Direction,
        checks: Checks,
        recoding: Recoding,
    ) -> None:
        super().__init__(owner, pump, source, sink, direction, checks)
        self._deflater = direction.deflater
        self._recoding = recoding
        self._is_begun = False  # whether the sink has got a part of the current message
        self._compresses = False  # whether it gets that message compressed

    def _pass(self, at: int, payload: int, stop: int, *, is_last: bool) -> None:
        self._send(self._unmask(payload, stop), is_last)

    def _handle_plain(self, plain: bytes, *, is_last: bool) -> None:
        self._send(plain, is_last)

    def _send(self, plain: bytes | bytearray, is_last: bool) -> None:
        """Makes the next frame of the current message."""
        if not plain and not is_last:
            return
        first = FIN if is_last else 0
        deflater = self._deflater
        if not self._is_begun:
            opcode = self._message.opcode
            first |= opcode
            is_small = is_last and len(plain) < self._recoding.threshold
            self._compresses = deflater is not None and not is_small and opcode not in self._recoding.never
        payload: bytes | bytearray = plain
        if self._compresses:
            assert deflater is not None
            began = monotonic()
            payload = deflater.compress(plain, last=is_last)
            work = self.work
            work.deflating += monotonic() - began
            if is_last and not self._is_begun and not deflater.takeover and len(payload) >= len(plain):
                payload = plain  # it does not become smaller
            else:
                first |= 0 if self._is_begun else RSV1
                work.plain += len(plain)
                work.deflated += len(payload)
        self._is_begun = not is_last
        if self.sink.masks:
            key = os.urandom(4)
            self._out += (encode_header(first, len(payload), MASK) + key, apply_mask(payload, key))
        else:
            self._out += (encode_header(first, len(payload)), payload)


def recode(
    client: WebSocketLeg, backend: WebSocketLeg, up: Direction, down: Direction, checks: Checks, recoding: Recoding
) -> MakeFlows:
    """Makes the flows of a session with a compression of its own on each side."""
    return lambda owner: (
        RecodeFlow(owner, client.pump, client, backend, up, checks, recoding),
        RecodeFlow(owner, client.pump, backend, client, down, checks, recoding),
    )
