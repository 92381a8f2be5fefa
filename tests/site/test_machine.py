import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wsgate.site import machine
from wsgate.text.file import owners


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
    needs: int, lacking: int, message: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.directory_problem(str(tmp_path), needs) is None
    monkeypatch.setattr(os, "access", denied(str(tmp_path), lacking))
    said = f"the directory {str(tmp_path)!r} {message}: permit it to the user that runs wsgate: {owners(str(tmp_path))}"
    assert machine.directory_problem(str(tmp_path), needs) == (None if message is None else said)


def test_a_file_system_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a container: nobody can be permitted to write there."""
    monkeypatch.setattr(os, "access", denied(str(tmp_path), os.W_OK))
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
    cure = "its file system is read-only: mount a volume there, or name another place"
    assert machine.cure_for_writing(str(tmp_path)) == cure
    assert machine.directory_problem(str(tmp_path), os.W_OK) == (
        f"the directory {str(tmp_path)!r} cannot be written to: {cure}"
    )


def denied(path: str, lacking: int) -> Any:
    """os.access() for a user other than root, because tests often run as root."""

    def access(asked: str, mode: int, *, effective_ids: bool) -> bool:
        assert asked == path
        assert effective_ids
        return not mode & lacking

    return access


def test_a_directory_is_a_directory(tmp_path: Path) -> None:
    file, none = str(tmp_path / "file"), str(tmp_path / "none")
    Path(file).touch()
    assert machine.directory_problem(file) == f"the directory {file!r} is not a directory"
    assert machine.directory_problem(none) == f"the directory {none!r} does not exist"


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.is_installed("json")
    assert not machine.is_installed("no_such_module")
    assert machine.is_installed("json.decoder")
    assert not machine.is_installed("no_such_package.module")
    monkeypatch.setitem(sys.modules, "json", None)
    assert not machine.is_installed("json")
    monkeypatch.setitem(sys.modules, "json", SimpleNamespace(__spec__=None))
    assert machine.is_installed("json")
