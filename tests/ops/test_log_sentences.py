from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.docs.pages import blocks
from wsgate.events.table import EVENTS
from wsgate.ops.log_sentences import quote, sentence

LEAST: dict[str, Any] = {
    "id": "1f",
    "route": "chat",
    "client": "192.0.2.1:5",
    "backend": "ws://127.0.0.1:9000",
    "path": "/room",
    "subprotocol": None,
    "duration": 1.5,
    "messages_up": 1,
    "messages_down": 2,
    "bytes_up": 10,
    "bytes_down": 20,
    "client_code": 1000,
    "backend_code": None,
    "ended_by": "client",
    "reason": "closed",
    "detail": None,
}
MOST: dict[str, Any] = {
    **LEAST,
    "worker": 2,
    "peer": "10.0.0.1:5",
    "subject": "CN=alice,O=Example",
    "user": "a b",
    "host": "chat.example.com",
    "user_agent": "Mozilla/5.0 (X11)",
    "subprotocol": "chat.v1",
    "request_id": "6c0f",
    "largest_up": 4,
    "largest_down": 9,
    "compression": "inspected",
    "plain_up": 300,
    "plain_down": 500,
    "compressed_up": 6,
    "compressed_down": 7,
    "throttled_up": 0.25,
    "throttled_down": 0,
    "client_rtt_ms": 12.3,
    "backend_rtt_ms": 0.0,
    "backend_code": 4000,
    "client_reason": "bye",
    "backend_reason": 'say "no"',
    "detail": "client said so",
}


def test_a_session_of_which_little_is_known() -> None:
    assert sentence("session", LEAST) == (
        "chat: 192.0.2.1:5 for /room -> ws://127.0.0.1:9000 closed by client, codes 1000/-, "
        "1.5 s, up 1 messages 10 bytes, down 2 messages 20 bytes, id 1f"
    )
    assert sentence("opened", LEAST) == "chat: 192.0.2.1:5 for /room -> ws://127.0.0.1:9000, id 1f"


def test_a_session_of_which_everything_is_known() -> None:
    who = (
        'chat: 192.0.2.1:5 (through 10.0.0.1:5, user "a b", certificate CN=alice,O=Example) '
        "for chat.example.com/room -> ws://127.0.0.1:9000 (chat.v1)"
    )
    traffic = (
        "1.5 s, up 1 messages 10 bytes (largest 4) throttled for 0.25 s, 300 compressed to 6, "
        "down 2 messages 20 bytes (largest 9), 500 compressed to 7, "
        "RTT 12.3/0.0 ms"
    )
    behind = 'compression inspected, id 1f, request 6c0f, agent "Mozilla/5.0 (X11)", worker 2'
    assert sentence("opened", {**MOST, "detail": None}) == f"{who}, {behind}"
    assert sentence("still open", {**MOST, "detail": None}) == f"{who}, {traffic}, {behind}"
    assert sentence("session", MOST) == (
        f'{who} closed by client, codes 1000 "bye"/4000 "say \\"no\\"", {traffic}, {behind}: client said so'
    )


def test_the_session_on_the_page() -> None:
    fields = {
        **{"worker": 2, "id": "2-1f", "route": "chat", "client": "203.0.113.9", "peer": "10.0.0.1:52100"},
        **{"user": "alice", "host": "chat.example.com", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        **{"backend": "ws://10.0.0.7:9000", "path": "/room", "subprotocol": "chat.v1", "request_id": "6c0f"},
        **{"duration": 61.5, "messages_up": 12, "messages_down": 40, "largest_up": 120, "largest_down": 900},
        **{"bytes_up": 840, "bytes_down": 9310, "client_rtt_ms": 31.2, "backend_rtt_ms": 0.4},
        **{"client_code": 1000, "backend_code": 1000, "client_reason": "bye", "backend_reason": "bye"},
        **{"ended_by": "client", "reason": "closed", "detail": None},
    }
    (block,) = [block for block in blocks("text") if block.text.startswith("08:00:00 info    session: ")]
    line = " ".join(line.strip() for line in block.text.splitlines())
    assert line == f"08:00:00 info    session: {sentence('session', fields)}"


@pytest.mark.parametrize(("client", "backend", "shown"), [(None, 0.4, "-/0.4"), (3.0, None, "3.0/-")])
def test_one_round_trip(client: float | None, backend: float | None, shown: str) -> None:
    text = sentence("still open", {**LEAST, "client_rtt_ms": client, "backend_rtt_ms": backend})
    assert text is not None
    assert f" bytes, RTT {shown} ms, id" in text


def test_every_field_of_a_sessions_events_has_its_place() -> None:
    """A new field of these events must be told, too."""
    for event in EVENTS:
        if sentence(event.name, MOST) is not None:
            assert set(event.fields) <= MOST.keys()
            for name in event.fields:
                less = {field: value for field, value in MOST.items() if field != name}
                changed = {**less, name: 77} if name in ("throttled_down", "messages_up") else {**less, name: "other"}
                assert sentence(event.name, changed) != sentence(event.name, MOST), name


def test_other_events_have_none() -> None:
    assert sentence("refused", {"status": 404}) is None
    assert sentence(None, {}) is None


@given(st.text(), st.sampled_from(["host", "path", "user", "subject", "user_agent", "subprotocol", "request_id"]))
def test_strangers_words_make_no_second_line(text: str, name: str) -> None:
    told = sentence("opened", {**MOST, name: text})
    assert told is not None
    assert told.isprintable()
    assert len(told.splitlines()) == 1


@given(st.text(min_size=1), st.sampled_from(["client_reason", "backend_reason", "detail"]))
def test_reasons_make_no_second_line(text: str, name: str) -> None:
    told = sentence("session", {**MOST, name: text})
    assert told is not None
    assert told.isprintable()
    assert json.dumps(text) in told or (name == "detail" and text in told)


def test_quotes() -> None:
    assert [quote(value) for value in (1, "a", "a b", 'a"', "a\n", "é")] == ["1", "a", '"a b"', '"a\\""', '"a\\n"', "é"]
