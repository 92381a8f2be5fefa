"""What the code logs is what the table lists: events, levels, fields. The same for what tests make it log."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.log import faults_of
from wsgate.events.table import ANY_LINE, EVENTS, FIELDS

PACKAGE = Path(__file__).parents[2] / "wsgate"
EVENT_OF = {event.name: event for event in EVENTS}

# Functions that log an event which their caller names, with the place of its name among the arguments, and the level
PASSING_ON = {"emit": 1, "_replace_later": 1}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that logs. ``names``: the fields that it names itself; ``more``: it has others, too."""

    place: str
    events: frozenset[str]
    names: frozenset[str]
    more: bool
    level: str | None = None


def calls() -> Iterator[Call]:
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            place = f"{file.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                yield from of_call(node, place)
            elif isinstance(node, ast.Dict):  # extra={"event": …} of a logger's own method
                keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
                if "event" in keys and isinstance(value := node.values[keys.index("event")], ast.Constant):
                    yield Call(place, frozenset({str(value.value)}), frozenset(), more=True)


def of_call(node: ast.Call, place: str) -> Iterator[Call]:
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    names = frozenset(keyword.arg for keyword in node.keywords if keyword.arg is not None)
    more = len(names) < len(node.keywords)
    if called in PASSING_ON:
        events = words(node.args[PASSING_ON[called]])
        level = ast.unparse(node.args[0]).removeprefix("logging.").lower() if called == "emit" else None
        if events:  # otherwise it passes on what its caller names
            yield Call(place, events, names, more, level)
    elif called == "Trouble":
        failed, well = (next(iter(words(argument))) for argument in node.args[:2])
        yield Call(place, frozenset({failed}), names | {"error"}, more=True)
        yield Call(place, frozenset({well}), names, more, "warning")


def words(node: ast.expr) -> frozenset[str]:
    """The texts that an expression may be."""
    return frozenset(
        inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    )


CALLS = list(calls())


@pytest.mark.parametrize("call", [pytest.param(call, id=call.place) for call in CALLS])
def test_what_is_logged_is_in_the_table(call: Call) -> None:
    for event in call.events:
        assert event in EVENT_OF, f"{call.place}: {event} is not in wsgate/events/table.py"
        listed = EVENT_OF[event]
        assert call.names <= set(listed.fields), f"{call.place}: {event} has not all of {sorted(call.names)}"
        if call.level in ("debug", "info", "warning", "error"):
            assert call.level in listed.level.split(", "), f"{call.place}: {event} is not of level {call.level}"


def test_what_is_in_the_table_is_logged() -> None:
    assert {event.name for event in EVENTS} == {event for call in CALLS for event in call.events}


def test_every_field_of_an_event_is_named_once() -> None:
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert len(EVENT_OF) == len(EVENTS)
    used = {*ANY_LINE} | {name for event in EVENTS for name in event.fields}
    assert used == set(names)
    assert all(len(set(event.fields)) == len(event.fields) for event in EVENTS)


def test_names_are_alike() -> None:
    for event in EVENTS:
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", event.name)
        assert set(event.level.split(", ")) <= {"debug", "info", "warning", "error"}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", field.name) for field in FIELDS)


@pytest.mark.parametrize(
    ("event", "fields", "fault"),
    [
        ("ready", {"workers": 2, "worker": 1}, None),
        ("ready", {"colour": "red"}, "ready has colour"),
        ("an event of a test's own", {"colour": "red"}, None),
    ],
)
def test_a_line_with_a_field_that_is_not_in_the_table_is_found(
    event: str, fields: dict[str, object], fault: str | None
) -> None:
    found = list(faults_of(event, fields))
    assert found == ([] if fault is None else [f"{fault}, which is not in wsgate/events/table.py"])
