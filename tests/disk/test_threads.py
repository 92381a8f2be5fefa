"""Threads that a disk may keep, and what becomes of what they bring too late."""

from __future__ import annotations

import threading

import pytest
import trio

from wsgate.disk.threads import in_thread, thread_limiter


class Work:
    """Waits until it is let go, then returns "done"; notes what is given back."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.free = threading.Event()
        self.given_back: list[str | None] = []
        self.over = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        self.free.wait(10)
        return "done"

    def on_abandoned(self, result: str | None) -> None:
        self.given_back.append(result)
        self.over.set()


async def test_in_time() -> None:
    work = Work()
    work.free.set()
    assert await in_thread(thread_limiter("test", "/", 1), 10, work, work.on_abandoned) == "done"
    assert not work.given_back


async def test_what_it_raises_is_raised() -> None:
    def fail() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await in_thread(thread_limiter("test", "/", 1), 10, fail)


async def test_too_late() -> None:
    work = Work()
    with pytest.raises(trio.TooSlowError):
        await in_thread(thread_limiter("test", "/", 1), 0.01, work, work.on_abandoned)
    assert work.begun.is_set()
    assert not work.given_back  # not while it runs
    work.free.set()
    assert work.over.wait(10)
    assert work.given_back == ["done"]


async def test_cancelled() -> None:
    work = Work()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_thread, thread_limiter("test", "/", 1), 10, work, work.on_abandoned)
        await trio.to_thread.run_sync(work.begun.wait, 10)
        nursery.cancel_scope.cancel()
    assert not work.given_back
    work.free.set()
    assert work.over.wait(10)
    assert work.given_back == ["done"]


async def test_one_that_fails_too_late_has_nothing_to_give_back() -> None:
    work = Work()

    def fail() -> str:
        work()
        raise OSError("no disk")

    with pytest.raises(trio.TooSlowError):
        await in_thread(thread_limiter("test", "/", 1), 0.01, fail, work.on_abandoned)
    work.free.set()
    assert work.over.wait(10)
    assert work.given_back == [None]


async def test_one_that_has_not_begun_is_given_back_and_never_begins() -> None:
    hung, work = Work(), Work()
    with pytest.raises(trio.TooSlowError):
        await in_thread(thread_limiter("test", "/", 1), 0.01, hung)
    with pytest.raises(trio.TooSlowError):
        await in_thread(thread_limiter("test", "/", 1), 0.01, work, work.on_abandoned)
    assert work.over.wait(10)
    assert work.given_back == [None]
    hung.free.set()
    assert not work.begun.is_set()


async def test_each_directory_and_purpose_has_its_own() -> None:
    assert thread_limiter("files", "/a", 2) is thread_limiter("files", "/a", 2)
    assert (
        len({id(thread_limiter(purpose, place, 2)) for purpose in ("files", "record") for place in ("/a", "/b")}) == 4
    )
