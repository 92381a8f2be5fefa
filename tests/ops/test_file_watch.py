"""A configuration file that changes is noticed once, whatever way it is changed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from wsgate.disk.threads import thread_limiter
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import RELOAD_REFUSED
from wsgate.ops import file_watch
from wsgate.ops.file_watch import INTERVAL, WatchedFile, is_refused, signature, watch


class Watching:
    """A watch on a virtual clock.

    refused: whether the last reload was
    """

    def __init__(self) -> None:
        self.reloads = 0
        self.refused = False

    def reload(self) -> None:
        self.reloads += 1

    async def look(self, times: int = 1) -> int:
        """Waits for so many looks. Returns how many reloads there were so far."""
        for _ in range(times):
            await trio.sleep(INTERVAL)
        await trio.testing.wait_all_tasks_blocked()
        return self.reloads


@asynccontextmanager
async def watching(file: WatchedFile) -> AsyncIterator[Watching]:
    found = Watching()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, file, found.reload, lambda: found.refused)
        await trio.sleep(INTERVAL / 2)
        yield found
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def looks_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock jumps while a thread works."""

    async def look(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        return work()

    monkeypatch.setattr(file_watch, "in_thread", look)


async def test_a_change_is_one_reload(tmp_path: Path, autojump_clock: MockClock) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("a")
    async with watching(WatchedFile.now(str(file))) as found:
        assert await found.look(3) == 0
        file.write_text("ab")
        assert await found.look(1) == 0  # it may still be written
        assert await found.look(5) == 1
        file.write_text("abc")
        assert await found.look(5) == 2


async def test_a_file_that_is_being_written(tmp_path: Path, autojump_clock: MockClock) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("a")
    async with watching(WatchedFile.now(str(file))) as found:
        for size in range(2, 6):
            file.write_text("a" * size)
            assert await found.look() == 0
        assert await found.look(3) == 1


async def test_a_link_that_is_swapped(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As Kubernetes changes a ConfigMap: wsgate.yaml -> ..data/wsgate.yaml, and ..data -> a new directory."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wsgate.yaml").write_text("same")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "wsgate.yaml").symlink_to("..data/wsgate.yaml")
    async with watching(WatchedFile.now(str(tmp_path / "wsgate.yaml"))) as found:
        (tmp_path / "new").symlink_to("two")
        os.replace(tmp_path / "new", tmp_path / "..data")
        assert await found.look(4) == 1


async def test_a_file_that_goes_and_comes_back(tmp_path: Path, autojump_clock: MockClock) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("a")
    async with watching(WatchedFile.now(str(file))) as found:
        file.rename(tmp_path / "away")
        assert await found.look(4) == 0
        (tmp_path / "away").rename(file)
        assert await found.look(4) == 0
        file.unlink()
        file.write_text("other")
        assert await found.look(4) == 1


async def test_a_change_before_the_watch_began(tmp_path: Path, autojump_clock: MockClock) -> None:
    file = tmp_path / "w.yaml"
    before = WatchedFile.now(str(file))
    assert before.before is None
    file.write_text("a")
    async with watching(before) as found:
        assert await found.look(4) == 1


async def test_a_disk_that_hangs_is_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    file = tmp_path / "w.yaml"
    file.write_text("a")
    hangs = True

    async def look(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        if hangs:
            raise trio.TooSlowError
        return work()

    monkeypatch.setattr(file_watch, "in_thread", look)
    async with watching(WatchedFile.now(str(file))) as found:
        file.write_text("ab")
        assert await found.look(4) == 0
        hangs = False
        assert await found.look(4) == 1


async def test_a_named_file_that_comes_after_a_refusal(tmp_path: Path, autojump_clock: MockClock) -> None:
    file, late = tmp_path / "w.yaml", tmp_path / "late.pem"
    file.write_text("a")
    async with watching(WatchedFile.now(str(file))) as found:
        file.write_text("listeners: [{bind: '127.0.0.1:0', tls: {certificate: late.pem}}]")
        assert await found.look(2) == 1
        found.refused = True
        assert await found.look(4) == 1
        late.write_text("half")
        assert await found.look(1) == 1  # it may still be written
        late.write_text("whole")
        assert await found.look(1) == 1
        assert await found.look(5) == 2  # refused again, because it is wrong
        late.write_text("right now")
        assert await found.look(5) == 3
        found.refused = False
        late.write_text("a renewal is for others")
        assert await found.look(5) == 3


async def test_what_is_in_a_named_directory_is_not_looked_at(tmp_path: Path, autojump_clock: MockClock) -> None:
    file, page = tmp_path / "w.yaml", tmp_path / "page"
    file.write_text("a")
    async with watching(WatchedFile.now(str(file))) as found:
        file.write_text("routes: [{name: a, files: {root: page}}]")
        found.refused = True
        assert await found.look(4) == 1
        page.mkdir()
        assert await found.look(4) == 2
        (page / "one").touch()
        assert await found.look(4) == 2


async def test_a_named_file_on_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The configuration file is looked at all the same."""
    file = tmp_path / "w.yaml"
    file.write_text("a")

    async def look(limiter: trio.CapacityLimiter, within: float, work: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        if limiter is thread_limiter("named files", str(tmp_path), 1):
            raise trio.TooSlowError
        return work()

    monkeypatch.setattr(file_watch, "in_thread", look)
    async with watching(WatchedFile.now(str(file))) as found:
        found.refused = True
        for number in range(1, 4):
            file.write_text("a" * (1 + number))
            assert await found.look(4) == number


@pytest.mark.parametrize("number", [0, 1])
def test_whose_refusal_counts(number: int) -> None:
    """That of the gateway, or of the parent of workers, who says for all of them what is tried."""
    rows = MetricRows(2)
    assert not is_refused(rows)
    rows.row(number).cell(RELOAD_REFUSED).set(1)
    assert is_refused(rows) == (number == 0)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert signature(str(tmp_path / "missing")) is None
