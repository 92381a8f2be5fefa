"""A child that tries a reload's settings: a real one. What its parent does meanwhile is in ``test_workers``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from wsgate.ops.checking import DEADLINE, SLOW, Checked, CheckError, Checking, Outcome
from wsgate.ops.listeners import ListenError
from wsgate.settings.model import Files, Route, Settings
from wsgate.settings.problem import ConfigError, Problem

SETTINGS = Checked(Settings(listeners=(), routes=()), {})


@pytest.fixture
def checking() -> Iterator[Checking]:
    checking = Checking(lambda: None)
    yield checking
    checking.give_up()


def outcome(checking: Checking) -> Outcome:
    while (found := checking.look(0.0)) is None:
        time.sleep(0.001)  # its end is a signal, which pytest's process does not take
    return found


def raising(error: Exception) -> Callable[[], Checked]:
    def work() -> Checked:
        raise error

    return work


def test_settings_come_back_whole(checking: Checking) -> None:
    large = Checked(Settings(listeners=(), routes=(Route(name="x" * 1_000_000, action=Files(root="/")),)), {})
    checking.begin(lambda: large, 0.0)
    assert outcome(checking) == large
    assert not checking.running
    assert checking.look(0.0) is None


@pytest.mark.parametrize(
    "error",
    [
        ConfigError((Problem("wsgate.yaml", 3, 5, "routes", "no such thing"),)),
        ListenError("cannot listen on a.test:80: Name or service not known"),
    ],
)
def test_so_does_what_is_wrong(checking: Checking, error: Exception) -> None:
    checking.begin(raising(error), 0.0)
    found = outcome(checking)
    assert (type(found), str(found)) == (type(error), str(error))


def test_it_is_another_process(checking: Checking) -> None:
    def work() -> Checked:
        return Checked(Settings(listeners=(), routes=(), workers=os.getpid()), {})

    checking.begin(work, 0.0)
    found = outcome(checking)
    assert isinstance(found, Checked)
    assert found.settings.workers != os.getpid()


def test_one_that_dies(checking: Checking) -> None:
    def work() -> Checked:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    checking.begin(work, 0.0)
    with pytest.raises(CheckError, match="ended with SIGKILL"):
        outcome(checking)


def test_one_that_ends_by_its_own_clock(checking: Checking) -> None:
    """For a dead parent; a check that is late has the same result."""

    def work() -> Checked:
        signal.raise_signal(signal.SIGALRM)
        raise AssertionError

    checking.begin(work, 0.0)
    with pytest.raises(CheckError, match="not read within 60 s"):
        outcome(checking)


def hang() -> Checked:
    time.sleep(600)
    raise AssertionError


def test_time(checking: Checking) -> None:
    assert checking.wait(100.0) == float("inf")
    checking.begin(hang, 100.0)
    assert checking.wait(101.0) == SLOW - 1
    assert not checking.is_slow(100.0 + SLOW - 0.1)
    assert checking.is_slow(100.0 + SLOW)
    assert not checking.is_slow(100.0 + SLOW)  # logged once
    assert checking.wait(100.0 + SLOW) == DEADLINE - SLOW
    assert checking.look(100.0 + DEADLINE - 0.1) is None
    with pytest.raises(CheckError, match="not read within 60 s"):
        checking.look(100.0 + DEADLINE)
    assert not checking.running


def test_another_one_takes_its_place(checking: Checking) -> None:
    checking.begin(hang, 0.0)
    checking.begin(lambda: SETTINGS, 0.0)
    assert outcome(checking) == SETTINGS
