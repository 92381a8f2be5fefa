"""The WebSocket of the admin page: the gateway's state every two seconds, as JSON in a text message.

It is served here and not by the pump: the admin listener may be in a process of its own, and has few viewers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio

from wsgate.events.metrics import (
    BACKEND_DRAINING,
    BACKEND_EJECTED,
    BACKEND_HEALTHY,
    BACKEND_SESSIONS,
    CLOSE_CODES,
    DRAINED,
    DRAINING,
    ENDED,
    ROUTE_DRAINING,
    Metric,
)
from wsgate.net.io import receive, send_all
from wsgate.net.plain import PlainTransport
from wsgate.ops.admin.exposition import Gathered
from wsgate.wire.close import Close, CloseCode, parse_close
from wsgate.wire.frames import Opcode, encode_frame
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import CONTROL, FAULT, INCOMPLETE

INTERVAL = 2.0  # seconds between two messages
FRESH = 1.0  # seconds for which all viewers are told the same
SEND_TIME = 10.0  # seconds for a viewer to take a message; one that does not is cut
MOST = 1024  # bytes of a message from a viewer, who has nothing to say
SUBPROTOCOL = b"wsgate.live"
BEARER = b"bearer."  # a browser can put the token nowhere else

Snapshot = Callable[[], Awaitable[Mapping[str, Any]]]


def token_in(subprotocols: Sequence[bytes]) -> bytes | None:
    """Returns the token among the offered subprotocols; ``None`` without one."""
    return next((name.removeprefix(BEARER) for name in subprotocols if name.startswith(BEARER)), None)


def state_of(gathered: Gathered) -> dict[str, Any]:
    """Returns what the page shows of the metrics: backends, endings, close codes, and the progress of a drain."""
    backends = [
        {
            "route": route,
            "backend": backend,
            "sessions": sessions,
            "healthy": bool(_value(gathered, BACKEND_HEALTHY, route, backend, default=1)),
            "ejected": bool(_value(gathered, BACKEND_EJECTED, route, backend)),
            "draining": any(
                (_value(gathered, BACKEND_DRAINING, route, backend), _value(gathered, ROUTE_DRAINING, route))
            ),
        }
        for (route, backend), (sessions,) in sorted(gathered.get(BACKEND_SESSIONS.name, {}).items())
    ]
    codes: dict[str, int] = {}
    for (_, side, code), (count,) in gathered.get(CLOSE_CODES.name, {}).items():
        if side == "client":
            codes[code] = codes.get(code, 0) + count
    ended: dict[tuple[str, str], int] = {}
    for (_, side, cause), (count,) in gathered.get(ENDED.name, {}).items():
        ended[side, cause] = ended.get((side, cause), 0) + count
    endings = [
        {"side": side, "cause": cause, "sessions": count}
        for (side, cause), count in sorted(ended.items(), key=lambda item: -item[1])
    ]
    draining = any(value for (value,) in gathered.get(DRAINING.name, {}).values())
    at_start = sum(value for (value,) in gathered.get(DRAINED.name, {}).values())
    return {
        "backends": backends,
        "endings": endings,
        "codes": codes,
        "draining": draining,
        "drained_from": at_start,
    }


class LiveText:
    """The state as the text of a message. It is made once in ``FRESH`` seconds at most, however many viewers there are.

    snapshot: returns the present state
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lock = trio.Lock()
        self._text = b""
        self._until = -math.inf

    async def get(self) -> bytes:
        async with self._lock:
            if trio.current_time() >= self._until:
                self._text = json.dumps(await self._snapshot(), ensure_ascii=False).encode(errors="replace")
                self._until = trio.current_time() + FRESH
            return self._text


async def feed(sock: PlainTransport, live: LiveText) -> None:
    """Sends a message every ``INTERVAL`` seconds until the viewer leaves, or takes nothing for ``SEND_TIME``."""
    lock = trio.Lock()

    async def send(opcode: Opcode, payload: bytes) -> bool:
        async with lock:
            with trio.move_on_after(SEND_TIME):
                return await send_all(sock, encode_frame(opcode, payload, None))
        return False

    async def write() -> None:
        text = await live.get()
        while await send(Opcode.TEXT, text):
            await trio.sleep(INTERVAL)
            text = await live.get()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        close = await _read(sock, send)
        if close is not None:
            await send(Opcode.CLOSE, close.payload())
        nursery.cancel_scope.cancel()


async def _read(sock: PlainTransport, send: Callable[[Opcode, bytes], Awaitable[bool]]) -> Close | None:
    """Reads what a viewer sends until it leaves. Returns the Close to send; ``None`` if it is gone."""
    walk = FrameWalk(masked=True, limit=MOST, frame_limit=MOST)
    buffer = bytearray()
    while data := await receive(sock):
        buffer += data
        start = walk.walk(buffer, 0, len(buffer))
        while walk.halt == CONTROL:
            if walk.opcode == Opcode.CLOSE:
                said = parse_close(walk.payload)
                return Close(said.code)
            if walk.opcode == Opcode.PING:
                await send(Opcode.PONG, walk.payload)
            start = walk.walk(buffer, walk.resume, len(buffer))
        if walk.halt == FAULT:
            return Close(CloseCode.PROTOCOL_ERROR if walk.fault is None else walk.fault.code)
        del buffer[: start if walk.halt == INCOMPLETE else len(buffer)]
    return None


def _value(gathered: Gathered, metric: Metric, *labels: str, default: int = 0) -> int:
    return gathered.get(metric.name, {}).get(labels, (default,))[0]
