"""A session's frames as JSON lines, in the process that has the session.

A line is an object with its kind under ``event``: ``begin``, ``frame``, ``dropped``, ``idle``, ``end``; docs/admin.md
has the fields. Frames are gathered for a moment, and made to text in steps, so that no session waits for it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import trio

from wsgate.gate.access_log import end_fields
from wsgate.gate.gateway import Gateway
from wsgate.relay.outcome import Outcome
from wsgate.relay.tap import MOST_KEPT, TappedFrame, Viewer
from wsgate.wire.frames import FIN, RSV1, Opcode

IDLE = 10.0  # seconds without a frame, after which a line says that the session goes on
_GATHER = 0.05  # seconds for which frames wait for more of them
_STEP = 100  # frames in one piece of text
_OPCODES = frozenset(Opcode)
_RESERVED = (RSV1, RSV1 >> 1, RSV1 >> 2)

T = TypeVar("T")
Send = Callable[[bytes], Awaitable[bool]]  # sends whole lines; returns False when nobody takes them any more


@dataclass(frozen=True, slots=True)
class NotTapped:
    """Why a session's frames cannot be shown. ``status``: of HTTP"""

    status: int
    reason: str


class TapSession(Protocol):
    """Sends the lines of a session's frames until it ends, or ``send`` says that nobody takes them.

    payload: whether payloads are shown

    Returns why there are none, if so; nothing was sent then.
    """

    async def __call__(self, id: str, payload: bool, send: Send) -> NotTapped | None: ...


def tap_here(gateway: Gateway) -> TapSession:
    """Returns a function that shows the frames of this process's sessions."""

    async def tap(id: str, payload: bool, send: Send) -> NotTapped | None:
        session = gateway.sessions.get(id)
        if session is None:
            return no_session(id)
        viewer = gateway.taps.open(session, MOST_KEPT if payload else 0)
        if isinstance(viewer, str):
            return NotTapped(409, viewer)
        try:
            if await send(line("begin", **session.info.fields(), payload=payload)):
                await _show(gateway, viewer, send, payload=payload)
        finally:
            gateway.taps.close(viewer)
        return None

    return tap


def no_session(id: str) -> NotTapped:
    """Returns that there is no such session."""
    return NotTapped(404, f"no session has the id {id!r}: it may have ended")


def line(event: str, **fields: object) -> bytes:
    """Returns a line. ``event``: its kind"""
    return json.dumps({"event": event, **fields}).encode() + b"\n"


def frame_fields(tapped: TappedFrame, *, payload: bool) -> dict[str, Any]:
    """Returns a frame as a line has it."""
    first, size, kept, compressed_size = tapped.frame
    opcode = first & 0x0F
    flags = (["FIN"] if first & FIN else []) + [f"RSV{n}" for n, bit in enumerate(_RESERVED, 1) if first & bit]
    fields: dict[str, Any] = {
        "time": _time(tapped.time),
        "direction": "up" if tapped.up else "down",
        "opcode": Opcode(opcode).name.lower() if opcode in _OPCODES else f"{opcode:#x}",
        "size": size,
        "flags": flags,
    }
    if compressed_size is not None:
        fields["compressed_size"] = compressed_size
    if opcode == Opcode.CLOSE:
        fields["code"] = int.from_bytes(kept[:2], "big") if len(kept) >= 2 else None
    if payload:
        fields["payload"] = base64.b64encode(kept).decode()
    return fields


async def until_left(left: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[T]]) -> T | None:
    """Returns what ``work`` returns; ``None`` if ``left`` returns first, and ``work`` is cancelled then."""
    result: T | None = None

    async def watch() -> None:
        await left()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        result = await work()
        nursery.cancel_scope.cancel()
    return result


async def _show(gateway: Gateway, viewer: Viewer, send: Send, *, payload: bool) -> None:
    """Sends what comes to a viewer, up to the end of its session."""
    shown = lost = 0
    while True:
        outcome = await _wait(viewer)
        frames, dropped = viewer.take()
        shown, lost = shown + len(frames), lost + dropped
        for text in _texts(frames, dropped, payload=payload):
            if not await send(text):
                return
            gateway.pump.serve_if_due()
            await trio.lowlevel.checkpoint()
        if outcome is not None:
            await send(line("end", **end_fields(outcome), frames=shown, dropped=lost))
            return
        if not frames and not dropped and not await send(line("idle")):
            return


async def _wait(viewer: Viewer) -> Outcome | None:
    """Waits for frames, then a moment for more of them, at most ``IDLE`` seconds. Returns the session's outcome."""
    with trio.move_on_after(IDLE):
        await viewer.wait()
        if viewer.outcome is None:
            await trio.sleep(_GATHER)
    return viewer.outcome


def _texts(frames: list[TappedFrame], dropped: int, *, payload: bool) -> Iterator[bytes]:
    for at in range(0, len(frames), _STEP):
        yield b"".join(line("frame", **frame_fields(each, payload=payload)) for each in frames[at : at + _STEP])
    if dropped:
        yield line("dropped", frames=dropped)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
