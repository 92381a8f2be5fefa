"""A file that is read again when it changes, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.source import SourceError

SECOND = 1_000_000_000


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """``later(seconds)``: what is written before is so much older."""
    real, shift = time.time_ns, [0]
    monkeypatch.setattr("wsgate.site.tokens.fresh.time.time_ns", lambda: real() + shift[0])

    def later(seconds: float) -> None:
        shift[0] += int(seconds * SECOND)

    return later


class Parse:
    """Counts how often it is called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: bytes) -> str:
        self.calls += 1
        if data == b"bad":
            raise ValueError("is bad")
        return data.decode()


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, later: Callable[[float], None]) -> None:
    file, parse = tmp_path / "it", Parse()
    file.write_text("one")
    fresh = Fresh(str(file), parse, 100)
    later(1)
    assert [fresh.get(), fresh.get(), fresh.get()] == ["one"] * 3
    assert parse.calls == 1
    file.write_text("three")
    assert [fresh.get(), fresh.get()] == ["three"] * 2
    assert parse.calls == 2


def test_two_changes_within_a_tick_of_the_clock_are_both_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, parse = tmp_path / "it", Parse()
    file.write_text("one")
    fresh = Fresh(str(file), parse, 100)
    before = os.stat(file)
    assert fresh.get() == "one"
    with open(file, "r+") as same:
        same.write("two")
    with monkeypatch.context() as slow_clock:
        slow_clock.setattr("wsgate.text.file.os.stat", lambda path: before)
        assert fresh.get() == "two"


def test_a_link_that_is_swapped_is_a_change(tmp_path: Path, later: Callable[[float], None]) -> None:
    """As Kubernetes changes a ConfigMap: it -> ..data/it, and ..data is replaced."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "it").write_text(version)
        os.utime(tmp_path / version / "it", ns=(SECOND, SECOND))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "it").symlink_to("..data/it")
    fresh = Fresh(str(tmp_path / "it"), Parse(), 100)
    later(1)
    assert fresh.get() == "one"
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert fresh.get() == "two"


def test_a_file_that_cannot_be_used_and_then_can(tmp_path: Path, later: Callable[[float], None]) -> None:
    file, parse = tmp_path / "it", Parse()
    fresh = Fresh(str(file), parse, 4)
    with pytest.raises(SourceError, match=r"/it' does not exist$"):
        fresh.get()
    file.write_text("bad")
    later(1)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"/it: is bad$"):
            fresh.get()
    file.write_text("12345")
    with pytest.raises(SourceError, match="larger than 4B"):
        fresh.get()
    file.write_text("1234")
    assert fresh.get() == "1234"
    file.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        fresh.get()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "it")
    with pytest.raises(SourceError, match="is not a file"):
        Fresh(str(tmp_path / "it"), Parse(), 100).get()
