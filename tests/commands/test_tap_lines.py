"""What people see of a frame: no payload moves their cursor."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from tests.docs.pages import blocks
from wsgate.commands.tap_lines import MOST_BYTES, MOST_CHARACTERS, TapLines

END = {"event": "end", "reason": "gone", "ended_by": "client", "client_code": None, "backend_code": None}


def frame(opcode: str, payload: bytes | None = None, flags: str = "FIN", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": "frame", "time": "2026-03-01T12:00:00.123456Z", "direction": "up"}
    fields |= {"opcode": opcode, "size": 5 if payload is None else len(payload), "flags": flags.split()}
    if payload is not None:
        fields["payload"] = base64.b64encode(payload).decode()
    return {**fields, **more}


def lines(*events: dict[str, Any]) -> list[str]:
    made = TapLines()
    return [line for event in events for line in made.lines(event)]


def test_the_columns() -> None:
    first, second, third = lines(
        frame("text"), frame("continuation", flags="", direction="down"), frame("0x3", flags="FIN RSV1 RSV2 RSV3")
    )
    assert first[15:] == "  up    text                 5 B  FIN"
    assert second[15:] == "  down  continuation         5 B"
    assert third[15:] == "  up    0x3                  5 B  FIN RSV1 RSV2 RSV3"
    assert first[8:15] == ".123456"


def test_text_has_no_control_characters() -> None:
    (shown,) = lines(frame("text", "größe \x1b[31m\r\n\u202e".encode()))
    assert shown.endswith('  "größe \\x1b[31m\\x0d\\x0a\\x202e"')
    (cut,) = lines(frame("text", b"ab\xc3"))
    assert cut.endswith('"ab\\xc3"')


def test_a_continuation_is_shown_as_its_message() -> None:
    found = lines(
        frame("text", b"one", ""),
        frame("binary", b"\x00\x01\x02\x03\x04", "", direction="down"),
        frame("ping", b"p"),
        frame("continuation", b"two"),
        frame("continuation", b"three", direction="down"),
        frame("text", b"\xaa\xbb", "FIN RSV1"),
        frame("continuation", b"\xcc"),
        frame("0xb", b"\x1b"),
    )
    ends = ['"one"', "00010203 04", "70", '"two"', "74687265 65", "aabb", "cc", "1b"]
    assert [line.split("  ")[-1].strip() for line in found] == ends


def test_a_compressed_message_is_shown_inflated() -> None:
    first, second = lines(
        frame("text", b"plain", "RSV1", compressed_size=7), frame("continuation", b"text", compressed_size=300)
    )
    assert first.endswith('       5 B  RSV1      from 7 B  "plain"')
    assert second.endswith('       4 B  FIN       from 300 B  "text"')


def test_a_close() -> None:
    found = lines(
        frame("close", b"\x03\xe8bye\x07", code=1000),
        frame("close", b"\x03\xe8", code=1000),
        frame("close", b"", code=None),
        frame("close", code=1001),
        frame("close", code=None),
    )
    assert [line[47:].strip() for line in found] == [
        'FIN       1000 "bye\\x07"',
        "FIN       1000",
        "FIN",
        "FIN       1001",
        "FIN",
    ]


def test_long_payloads_are_cut() -> None:
    text, other, part, exact = lines(
        frame("text", b"x" * (MOST_CHARACTERS + 1)),
        frame("binary", b"y" * (MOST_BYTES + 1)),
        frame("text", b"z", size=70_000),
        frame("text", b"x" * MOST_CHARACTERS),
    )
    assert text.endswith("x" * MOST_CHARACTERS + '"…')
    assert other.endswith("79797979…")
    assert part.endswith('"z"…')
    assert exact.endswith('x"')


def test_the_other_events() -> None:
    begin = {"event": "begin", "id": "2-1f", "route": "chat", "client": "192.0.2.1:5000", "backend": "ws://b:1"}
    assert lines(
        {**begin, "payload": True},
        {**begin, "payload": False, "user": "a\x1bn"},
        {"event": "idle"},
        {"event": "dropped", "frames": 1},
        {"event": "dropped", "frames": 2},
        {**END, "client_code": 1000, "client_reason": "by\x1be", "backend_code": 1011, "detail": "lost"},
        END,
        {"event": "end", "reason": "worker", "detail": "its worker has died"},
    ) == [
        "session 2-1f: chat, 192.0.2.1:5000 to ws://b:1",
        "session 2-1f: chat, 192.0.2.1:5000 (a\\x1bn) to ws://b:1; payloads are not shown (admin.tap)",
        "1 frame not shown: they came faster than they were read",
        "2 frames not shown: they came faster than they were read",
        'session ended: gone by client, client 1000 "by\\x1be", backend 1011, lost',
        "session ended: gone by client",
        "session ended: worker, its worker has died",
    ]


def test_the_example_of_the_page() -> None:
    begin = {"event": "begin", "id": "2-1f", "route": "chat", "client": "192.0.2.7:53142", "user": "ann"}
    (page,) = [block for block in blocks("text") if block.text.startswith("session 2-1f")]
    assert page.text.splitlines() == lines(
        {**begin, "backend": "ws://127.0.0.1:9000", "payload": True},
        frame("text", b'{"room": 7, "say": "hello"}', time=local(0, 123456)),
        frame("binary", bytes(range(20)), direction="down", time=local(0, 130110)),
        frame("close", b"\x03\xe8bye", code=1000, time=local(7, 2071)),
        {**END, "reason": "closed", "client_code": 1000, "client_reason": "bye", "backend_code": 1000},
    )


def local(second: int, microsecond: int) -> str:
    """A moment past noon, where this runs, as the API has it."""
    return datetime(2026, 3, 1, 12, 0, second, microsecond).astimezone(UTC).isoformat().replace("+00:00", "Z")
