import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wsgate.settings.draft import Broken, Draft
from wsgate.site import machine

BROKEN: Any = Broken()


@pytest.fixture
def draft() -> Draft:
    return Draft(BROKEN)


def noted(draft: Draft) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in draft.problems]


def test_a_file_that_is_named_can_be_read(tmp_path: Path, draft: Draft, monkeypatch: pytest.MonkeyPatch) -> None:
    file, none = tmp_path / "file", tmp_path / "none"
    file.touch()
    os.mkfifo(tmp_path / "fifo")
    for named in (None, BROKEN, str(file)):
        machine.check_file(named, "right", draft)
    machine.check_file(str(none), "none", draft)
    machine.check_file(str(tmp_path), "directory", draft)
    machine.check_file(str(tmp_path / "fifo"), "fifo", draft)
    monkeypatch.setattr(os, "access", denied(str(file), os.R_OK))
    machine.check_file(str(file), "denied", draft)
    assert noted(draft) == [
        ("none", f"the file {str(none)!r} does not exist"),
        ("directory", f"{str(tmp_path)!r} is not a file"),
        ("fifo", f"{str(tmp_path / 'fifo')!r} is not a file"),
        ("denied", f"the file {str(file)!r} cannot be read: permit it to the user that runs wsgate"),
    ]


@pytest.mark.parametrize(
    ("needs", "lacking", "message"),
    [
        (os.X_OK, os.X_OK, "cannot be read"),
        (os.X_OK, os.R_OK, None),
        (os.R_OK, os.R_OK, "cannot be read"),
        (os.R_OK, os.X_OK, "cannot be read"),
        (os.W_OK, os.W_OK, "cannot be written to"),
        (os.W_OK, os.X_OK, "cannot be written to"),
        (os.W_OK, os.R_OK, None),
    ],
)
def test_a_directory_can_be_used_as_it_needs_to_be(
    needs: int, lacking: int, message: str | None, tmp_path: Path, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.check_directory(str(tmp_path), "right", draft, needs)
    assert noted(draft) == []
    monkeypatch.setattr(os, "access", denied(str(tmp_path), lacking))
    machine.check_directory(str(tmp_path), "x", draft, needs)
    said = f"the directory {str(tmp_path)!r} {message}: permit it to the user that runs wsgate"
    assert noted(draft) == ([] if message is None else [("x", said)])


def denied(path: str, lacking: int) -> Any:
    """os.access() for a user other than root, because tests often run as root."""

    def access(asked: str, mode: int, *, effective_ids: bool) -> bool:
        assert asked == path
        assert effective_ids
        return not mode & lacking

    return access


def test_a_directory_is_a_directory(tmp_path: Path, draft: Draft) -> None:
    file, none = str(tmp_path / "file"), str(tmp_path / "none")
    Path(file).touch()
    for directory in (None, BROKEN):
        machine.check_directory(directory, "right", draft)
    machine.check_directory(file, "file", draft)
    machine.check_directory(none, "none", draft)
    assert noted(draft) == [
        ("file", f"the directory {file!r} is not a directory"),
        ("none", f"the directory {none!r} does not exist"),
    ]


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.is_installed("json")
    assert not machine.is_installed("no_such_module")
    monkeypatch.setitem(sys.modules, "json", None)
    assert not machine.is_installed("json")
    monkeypatch.setitem(sys.modules, "json", SimpleNamespace(__spec__=None))
    assert machine.is_installed("json")
