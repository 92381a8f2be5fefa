"""The notifications to a service manager, on a real socket."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.manager import Manager
from wsgate.ops.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As in ``NOTIFY_SOCKET``."""
    return str(tmp_path / "notify") if request.param == "path" else f"@wsgate-test-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    with Manager(address) as manager:
        yield manager


def test_a_life(manager: Manager) -> None:
    notifier = manager.notifier()
    notifier.ready()
    assert manager.heard() == {"READY": "1", "STATUS": "serving"}
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    heard = manager.heard()
    assert heard["RELOADING"] == "1"
    assert before <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.alive()
    assert manager.heard() == {"WATCHDOG": "1"}
    notifier.stopping(31.5)
    assert manager.heard() == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "31500000", "STATUS": "draining"}


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "relative/path"])
def test_where_nobody_listens_for_it(name: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"} if name else {})
    notifier.ready()
    assert notifier.watchdog is None


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wsgate")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    (record,) = caplog.records
    assert record.fields == {"message": "READY=1", "error": "No such file or directory"}  # type: ignore[attr-defined]


def test_a_manager_that_does_not_read_keeps_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wsgate")
    with Manager(str(tmp_path / "notify")) as manager:
        notifier = manager.notifier()
        while not caplog.records:  # until its queue is full
            notifier.alive()
    assert caplog.records[0].fields["error"] == "Resource temporarily unavailable"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog(environment: dict[str, str], watchdog: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/notify", **environment}).watchdog == watchdog
