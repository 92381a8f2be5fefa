"""What holds for every test: the programs it needs, no silent skips in CI, how hypothesis searches, virtual time."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import trio
from trio.testing import MockClock

from tests.log import Log, Watch
from tests.pki import Authority
from tests.programs import PACKAGES, find
from wsgate.ops.log import LineHandler
from wsgate.relay.poller import EpollPoller
from wsgate.relay.pump import Pump

# Set by .ci/run: there, a test that cannot run is a failure.
NO_SKIP = bool(os.environ.get("WSGATE_NO_SKIP"))

# No deadline: a loaded machine is no bug. In CI always the same examples, so that only a change can break it.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.hookimpl(tryfirst=True)  # before the fixtures, which may start the programs
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if program not in PACKAGES:
                pytest.fail(f"{program} is not in tests/programs.py, from which CI installs what tests need")
            if find(program) is None:
                pytest.skip(f"{program} is not installed: apt-get install {PACKAGES[program]}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}\n(WSGATE_NO_SKIP is set: here a skipped test is a failed one)"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a test runs in this process may set up the log; the next test has none of it."""
    root, logger = logging.getLogger(), logging.getLogger("wsgate")
    levels = root.level, logger.level
    yield
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, LineHandler)]
    root.setLevel(levels[0])
    logger.setLevel(levels[1])


@pytest.fixture(autouse=True)
def events_of_the_table() -> Iterator[None]:
    """Every line that a test makes has fields of the table, also where the code names them elsewhere."""
    watch = Watch()
    logger = logging.getLogger("wsgate")
    logger.addFilter(watch)
    yield
    logger.removeFilter(watch)
    assert watch.faults == []


@pytest.fixture
def autojump_clock(monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Virtual time that jumps only after a short real time without events of sockets.

    At 0 it would jump as soon as every task waits, while the kernel still delivers bytes. The kernel does not use this
    clock: it acknowledges after up to 40 real ms, in which many virtual seconds pass. So tests with this clock do not
    ask the kernel whether a peer is still receiving.
    """
    monkeypatch.setattr("wsgate.relay.leg.is_acknowledging", lambda sock, within: False)
    return MockClock(autojump_threshold=0.02)


@pytest.fixture
async def pump() -> AsyncIterator[Pump]:
    """A running pump on epoll, which goes with a virtual clock: all that happens, happens in trio."""
    async with trio.open_nursery() as nursery:
        pump = Pump(EpollPoller())
        nursery.start_soon(pump.run)
        yield pump
        nursery.cancel_scope.cancel()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The CA of the test's certificates; its files are in ``tmp_path``."""
    return Authority(tmp_path)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.DEBUG, "wsgate")
    return Log(caplog)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to a thread is done at once: a virtual clock does not wait for threads, and would jump meanwhile."""

    async def at_once(work: Callable[..., object], *arguments: object, **how: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that only the test reads."""
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(fd)
