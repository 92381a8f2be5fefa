from __future__ import annotations

import logging

import pytest

from tests.log import Log
from wsgate.events.emit import emit


def test_an_event_has_its_name_and_fields(log: Log) -> None:
    emit(logging.WARNING, "it happened", where="here", level_of="detail")
    (made,) = log.records
    assert (made.levelname, made.getMessage()) == ("WARNING", "it happened")
    assert log.one("it happened") == {"where": "here", "level_of": "detail"}


def test_a_level_that_is_off_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgate")
    emit(logging.DEBUG, "quiet")
    assert caplog.records == []
