"""A look at a file that does not end: what was read before is the answer, for a while."""

from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from wsgate.site.tokens import memory as module
from wsgate.site.tokens.memory import Memory
from wsgate.site.tokens.source import SourceError


class File:
    """Looks that end when they may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.may_end.set()
        self.looks = 0

    def look(self) -> int:
        self.looks += 1
        seen = self.looks
        self.may_end.wait()
        if seen == 3:
            raise SourceError("gone")
        return seen


async def test_each_look_counts_at_once() -> None:
    memory = Memory(File().look)
    assert [await memory.get(), await memory.get()] == [1, 2]
    with pytest.raises(SourceError):
        await memory.get()
    assert await memory.get() == 4


async def test_what_was_read_is_the_answer_while_a_look_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    file = File()
    memory = Memory(file.look)
    memory.look()
    file.may_end.clear()
    try:
        with trio.fail_after(20):
            assert [await memory.get() for _ in range(3)] == [1, 1, 1]
        assert file.looks <= 2  # the others had no thread to wait for
    finally:
        file.may_end.set()


async def test_memory_forgets_stale_and_contradicted_answers(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, log: Log
) -> None:
    file = File()
    memory = Memory(file.look)
    memory.look()
    memory.look()
    with pytest.raises(SourceError):
        memory.look()
    file.may_end.clear()
    try:
        for stale in (module.STALE, -1.0):
            monkeypatch.setattr(module, "STALE", stale)
            with pytest.raises(trio.TooSlowError), trio.fail_after(5):
                await memory.get()
    finally:
        file.may_end.set()
