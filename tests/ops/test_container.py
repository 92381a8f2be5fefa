"""In a container a drain that takes longer than its engine waits is named at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.log import Log
from wsgate.ops.container import log_short_stop
from wsgate.settings.model import Drain


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_long_drain_is_named(log: Log, tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    log_short_stop(Drain(spread=20.0, grace=10.0), 1, tmp_path)
    assert log.one("drain needs time")["seconds"] == 30


@pytest.mark.parametrize(("spread", "pid", "mark"), [(4.0, 1, True), (20.0, 7, True), (20.0, 1, False)])
def test_others_are_not(log: Log, tmp_path: Path, spread: float, pid: int, mark: bool) -> None:
    if mark:
        (tmp_path / ".dockerenv").touch()
    log_short_stop(Drain(spread=spread, grace=4.0), pid, tmp_path)
    assert log.all("drain needs time") == []
