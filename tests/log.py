"""What a test reads of the log, and the limits that it runs into."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest


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
