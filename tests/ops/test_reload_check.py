"""The check of a reload in the parent of workers, by a real child. When the parent makes one is in ``test_workers``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.log import Log
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import RELOAD_REFUSED, RELOADS_REFUSED
from wsgate.ops import checking
from wsgate.ops.checking import SLOW, Checked
from wsgate.ops.reload_check import ReloadCheck
from wsgate.settings.model import Listener, Respond, Route, Settings, TcpAddress
from wsgate.settings.problem import ConfigError, Problem
from wsgate.site.build import build

SETTINGS = Settings(listeners=(Listener(bind=TcpAddress("127.0.0.1", 1)),), routes=(Route(name="a", action=Respond()),))


class File:
    """What is read. It may be ``wrong``; ``pipe``: its disk hangs until something can be read there."""

    def __init__(self) -> None:
        self.wrong = False
        self.pipe: int | None = None

    def load(self) -> Settings:
        if self.pipe is not None:
            os.read(self.pipe, 1)
        if self.wrong:
            raise ConfigError((Problem("wsgate.yaml", 3, 5, "routes", "no such thing"),))
        return SETTINGS


@pytest.fixture
def file() -> File:
    return File()


@pytest.fixture
def rows() -> MetricRows:
    return MetricRows(1)


@pytest.fixture
def check(file: File, rows: MetricRows) -> Iterator[ReloadCheck]:
    check = ReloadCheck(file.load, lambda: None, rows.row(0))
    yield check
    check.give_up()


def refused(rows: MetricRows) -> tuple[int, int]:
    """Whether the last reload was refused, and how many were."""
    row = rows.row(0)
    return row.words(RELOAD_REFUSED)[0], row.words(RELOADS_REFUSED)[0]


def outcome(check: ReloadCheck) -> Checked | None:
    check.begin(build(SETTINGS), 0.0)
    found = None
    while check.running and found is None:
        found = check.look(0.0)
        time.sleep(0.001)  # its end is a signal, which pytest's process does not take
    return found


def test_settings_that_are_right_are_the_parents_to_adopt(check: ReloadCheck, rows: MetricRows, log: Log) -> None:
    assert outcome(check) == Checked(SETTINGS, {})
    check.accept()
    assert (refused(rows), log.events()) == ((0, 0), [])


def test_a_refusal_is_counted_and_lasts_until_a_reload_is_accepted(
    check: ReloadCheck, file: File, rows: MetricRows, log: Log
) -> None:
    file.wrong = True
    assert outcome(check) is None
    assert log.events() == ["wrong configuration", "reload refused"]
    assert refused(rows) == (1, 1)
    file.wrong = False
    assert outcome(check) is not None
    assert refused(rows) == (1, 1)
    check.accept()
    assert refused(rows) == (0, 1)


def test_without_a_process_it_is_refused(
    check: ReloadCheck, rows: MetricRows, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, os.strerror(11))

    monkeypatch.setattr(checking, "fork", refuse)
    check.begin(build(SETTINGS), 0.0)
    assert not check.running
    assert "the system gives no process" in log.one("reload refused")["reason"]
    assert refused(rows) == (1, 1)


def test_a_check_that_does_not_end_is_told_once_and_given_up(
    check: ReloadCheck, file: File, rows: MetricRows, log: Log
) -> None:
    file.pipe, release = os.pipe()
    check.begin(build(SETTINGS), 0.0)
    assert check.wait(0.0) == SLOW
    assert check.look(SLOW) is None
    assert check.look(SLOW) is None
    assert log.events() == ["reload waits"]
    assert check.look(checking.DEADLINE) is None
    assert (log.events(), check.running) == (["reload waits", "reload refused"], False)
    assert refused(rows) == (1, 1)
    os.close(file.pipe)
    os.close(release)
