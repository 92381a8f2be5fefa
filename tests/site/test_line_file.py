from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wsgate.site.line_file import LineFile
from wsgate.site.tokens.source import SourceError


@dataclass
class Table:
    lines: list[str]
    wrong: dict[int, str] = field(default_factory=dict)

    @property
    def problems(self) -> dict[int, str]:
        return {**self.wrong, **({99: "too many"} if len(self.lines) > 2 else {})}


def parse(data: bytes) -> Table:
    lines = data.decode().split()
    return Table(lines, {number: "bad" for number, line in enumerate(lines, 1) if line == "bad"})


async def test_it_is_read_again_when_it_changes_and_tells_of_its_wrong_lines_once(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    path = tmp_path / "lines"
    path.write_text("a bad")
    file = LineFile(str(path), parse, lambda line, problem: told.append((line, problem)))
    assert file.load() == [f"line 2 of {str(path)!r}: bad"]
    first = await file.get()
    assert await file.get() is first
    assert told == []  # the start was refused with it
    path.write_text("bad b")
    assert (await file.get()).lines == ["bad", "b"]
    assert (await file.get()).lines == ["bad", "b"]
    assert told == [(1, "bad")]
    path.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        await file.get()


def test_faults_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    file = LineFile(str(path), parse, lambda line, problem: None)
    assert file.load() == [f"the file {str(path)!r} does not exist"]
    path.write_text("bad " * 12)
    found = file.load()
    assert len(found) == 11
    assert found[-1] == f"3 more lines of {str(path)!r} are wrong"
