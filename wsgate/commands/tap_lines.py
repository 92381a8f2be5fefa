"""The frames of a session as lines for people. Nothing in them moves a terminal's cursor, whatever a payload holds."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from wsgate.commands.table import printable

MOST_CHARACTERS = 200  # of a text that are shown
MOST_BYTES = 64  # of other payloads


class TapLines:
    """Makes lines of what the API tells. It remembers whose continuation a frame is."""

    def __init__(self) -> None:
        self._is_text = {"up": False, "down": False}  # whether the present message is readable text

    def lines(self, event: Mapping[str, Any]) -> Sequence[str]:
        """Returns the lines for one of the API's."""
        kind = event["event"]
        if kind == "frame":
            return [self._frame(event)]
        if kind == "begin":
            return [_begin(event)]
        if kind == "dropped":
            number = event["frames"]
            return [f"{number} frame{'' if number == 1 else 's'} not shown: they came faster than they were read"]
        return [_end(event)] if kind == "end" else []

    def _frame(self, event: Mapping[str, Any]) -> str:
        direction, opcode, flags = event["direction"], event["opcode"], event["flags"]
        time = datetime.fromisoformat(event["time"]).astimezone()
        if opcode in ("text", "binary"):
            self._is_text[direction] = opcode == "text" and ("RSV1" not in flags or "compressed_size" in event)
        cells = [
            f"{time:%H:%M:%S.%f}",
            f"{direction:<4}",
            f"{opcode:<12}",
            f"{event['size']:>8} B",
            f"{' '.join(flags):<8}",
        ]
        if "compressed_size" in event:
            cells.append(f"from {event['compressed_size']} B")
        if "payload" in event:
            data = base64.b64decode(event["payload"])
            if opcode == "close":
                cells.append(_close(data))
            elif opcode == "text" or opcode == "continuation":
                cells.append(_text(data, event["size"]) if self._is_text[direction] else _hex(data, event["size"]))
            else:
                cells.append(_hex(data, event["size"]))
        elif event.get("code") is not None:
            cells.append(str(event["code"]))
        return "  ".join(cells).rstrip()


def _begin(event: Mapping[str, Any]) -> str:
    user = f" ({event['user']})" if event.get("user") else ""
    shown = "" if event["payload"] else "; payloads are not shown (admin.tap)"
    session = f"session {event['id']}: {event['route']}, {event['client']}{user} to {event['backend']}"
    return printable(session) + shown


def _end(event: Mapping[str, Any]) -> str:
    parts = [f"session ended: {event['reason']}"]
    if event.get("ended_by"):
        parts[0] += f" by {event['ended_by']}"
    for side in ("client", "backend"):
        if event.get(f"{side}_code") is not None:
            reason = event.get(f"{side}_reason")
            parts.append(f"{side} {event[f'{side}_code']}" + (f' "{reason}"' if reason else ""))
    if event.get("detail"):
        parts.append(event["detail"])
    return printable(", ".join(parts))


def _close(data: bytes) -> str:
    code = str(int.from_bytes(data[:2], "big")) if len(data) >= 2 else ""
    return f"{code} {_text(data[2:], len(data) - 2)}" if len(data) > 2 else code


def _text(data: bytes, size: int) -> str:
    text = data.decode(errors="backslashreplace")
    more = "…" if len(text) > MOST_CHARACTERS or len(data) < size else ""
    return f'"{printable(text[:MOST_CHARACTERS])}"{more}'


def _hex(data: bytes, size: int) -> str:
    return data[:MOST_BYTES].hex(" ", -4) + ("…" if size > MOST_BYTES else "")
