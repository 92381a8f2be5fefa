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

from wsgate.ops import file_watch
from wsgate.ops.file_watch import INTERVAL, WatchedFile, signature, watch


class Watching:
    """A watch on a virtual clock."""

    def __init__(self) -> None:
        self.reloads = 0

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
        nursery.start_soon(watch, file, found.reload)
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


def test_what_is_no_file(tmp_path: Path) -> None:
    assert signature(str(tmp_path / "missing")) is None
