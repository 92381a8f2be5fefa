"""What the pages show of the log is what is logged: the event, its fields and their order, for people and as JSON."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.log_page import PAGE, with_tables
from tests.docs.pages import ROOT, Block, blocks
from wsgate.gate.access_log import ended
from wsgate.relay.closing import Cause
from wsgate.relay.outcome import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo

LEVELS = {"debug", "info", "warning", "error"}
LINE = re.compile(r"\d\d:\d\d:\d\d (\w+) +([a-z ]+)(?:: (\S+=.*))?")
FIELD = re.compile(r'(\w+)=(?:"(?:[^"\\]|\\.)*"|\S+)')


def calls_of_emit() -> Iterator[tuple[set[str], set[str], bool]]:
    """Each call's event, or those among which it chooses, its fields, and whether it may have more."""
    for file in sorted((ROOT / "wsgate").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit":
                names = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                events = {inner.value for inner in ast.walk(node.args[1]) if isinstance(inner, ast.Constant)}
                yield {str(event) for event in events}, names, len(names) < len(node.keywords)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Trouble":
                names = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                failed, well = (str(word.value) for word in node.args if isinstance(word, ast.Constant))
                yield {failed}, {*names, "error"}, True
                yield {well}, names, False


CALLS = list(calls_of_emit())


def is_logged(event: str, fields: set[str]) -> bool:
    return any(event in events and (fields <= names or more) for events, names, more in CALLS)


def log_blocks() -> list[Any]:
    return [pytest.param(block, id=block.place) for block in blocks("log")]


@pytest.mark.parametrize("block", log_blocks())
def test_a_line_for_people(block: Block) -> None:
    for line in block.text.splitlines():
        found = LINE.fullmatch(line)
        assert found, line
        level, event, fields = found.groups()
        assert level in LEVELS, line
        assert is_logged(event.strip(), set(FIELD.findall(fields or ""))), f"nothing logs this: {line}"


def objects() -> list[Any]:
    return [pytest.param(json.loads(block.text), id=block.place) for block in blocks("json")]


@pytest.mark.parametrize("line", objects())
def test_a_json_line(line: dict[str, Any]) -> None:
    assert line["level"] in LEVELS
    assert is_logged(line["event"], line.keys() - {"time", "level", "event"})


async def test_the_sessions_line_has_the_fields_that_it_has(caplog: pytest.LogCaptureFixture) -> None:
    """In their order, after the three that every line begins with."""
    caplog.set_level("INFO", "wsgate")
    (shown,) = [json.loads(block.text) for block in blocks("json") if block.page == PAGE]
    who = ClientInfo("127.0.0.1:46112", user="alice", host="chat.example.com")
    ended(SessionInfo("1f", "chat", who, "ws://127.0.0.1:9000", "/chat/1", None, 0.0), outcome())
    fields = caplog.records[-1].__dict__["fields"]
    assert list(shown) == ["time", "level", "event", *fields]


def outcome() -> Outcome:
    values: dict[str, Any] = {name: None for name in Outcome.__dataclass_fields__}
    values |= {name: 0 for name in values if name.startswith(("messages", "octets"))}
    return Outcome(**{**values, "cause": Cause.GONE, "detail": ""})


def test_every_reason_is_named() -> None:
    text = PAGE.read_text()
    listed = re.search(r"`reason` is one of (.*?);", text, re.DOTALL)
    assert listed
    assert set(re.findall(r"`(\w+)`", listed[1])) == {cause.value for cause in Cause}


def test_events_that_pages_name_are_logged() -> None:
    for page, event in [
        ("tls.md", "certificate expires"),
        ("tls.md", "certificate not loaded"),
        ("tls.md", "handshake failed"),
        ("tokens.md", "token source broken"),
        ("tokens.md", "token source well again"),
        ("operations.md", "backend failed"),
        ("operations.md", "backend well again"),
        ("operations.md", "names do not resolve"),
    ]:
        assert is_logged(event, set())
        assert f"`{event}`" in (ROOT / "docs" / page).read_text() or f'"{event}"' in (ROOT / "docs" / page).read_text()


def test_the_tables_are_those_of_the_code() -> None:
    assert with_tables(PAGE.read_text()) == PAGE.read_text(), "python -m tests.docs.log_page writes them"
