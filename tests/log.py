"""What a test reads of the log, and the limits that it runs into."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from wsgate.events.table import ANY_LINE, EVENTS

FIELDS_OF = {event.name: {*event.fields, *ANY_LINE} for event in EVENTS}


@dataclass
class Log:
    """The events that were logged, each with its fields."""

    captured: pytest.LogCaptureFixture

    @property
    def records(self) -> list[logging.LogRecord]:
        """Asked for anew each time: pytest starts a new list when the test itself begins."""
        return self.captured.records

    def events(self) -> list[str]:
        return [record.event for record in self.records if hasattr(record, "event")]

    def all(self, event: str) -> list[dict[str, Any]]:
        return [record.fields for record in self.records if getattr(record, "event", None) == event]  # type: ignore[attr-defined]

    def one(self, event: str) -> dict[str, Any]:
        (fields,) = self.all(event)
        return fields


def faults_of(event: str, fields: Mapping[str, object]) -> Iterator[str]:
    """What a line has that the table of events does not know. Events that are not in it are a test's own."""
    if event in FIELDS_OF:
        for name in fields.keys() - FIELDS_OF[event]:
            yield f"{event} has {name}, which is not in wsgate/events/table.py"


class Watch(logging.Filter):
    """Looks at every event that is logged, and lets all pass."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        self.faults += faults_of(getattr(record, "event", ""), getattr(record, "fields", {}))
        return True
