"""A file that other programs write, replace and break, and what is taken from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wsgate.settings.model import TcpAddress
from wsgate.site import backend_file
from wsgate.site.backend_file import (
    MAX_SIZE,
    BackendFileError,
    NothingListed,
    WatchedBackendFile,
    read_backend_file,
)
from wsgate.text.file import read_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.backends"


def ports(file: WatchedBackendFile) -> list[int] | None:
    """What a look finds."""
    found = file.look()
    return None if found is None else [each.address.port for each in found if isinstance(each.address, TcpAddress)]


def settled(file: WatchedBackendFile) -> list[int] | None:
    """What the second of two looks finds, between which nothing happens."""
    assert file.look() is None
    assert file.settles
    return ports(file)


def test_what_is_read_at_the_start(path: Path) -> None:
    path.write_text("ws://h:1\n")
    assert [str(each) for each in read_backend_file(str(path))] == ["ws://h:1"]


def test_a_file_that_may_come_later(path: Path) -> None:
    with pytest.raises(NothingListed, match="does not exist"):
        read_backend_file(str(path))
    path.write_text("# soon\n")
    with pytest.raises(NothingListed, match=r"has no backend in it: write \[\]"):
        read_backend_file(str(path))
    path.write_text("[]")
    assert read_backend_file(str(path)) == ()


def test_a_file_that_cannot_be_right(path: Path) -> None:
    def error(file: Path) -> str:
        with pytest.raises(BackendFileError) as caught:
            read_backend_file(str(file))
        assert not isinstance(caught.value, NothingListed)
        return str(caught.value)

    assert error(path.parent / "no" / "file") == f"the directory '{path.parent}/no' does not exist"
    assert "is not a file" in error(path.parent)
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    assert "is larger than 1MiB" in error(path)
    path.write_text("ws://h:1\nws://h:70000\n")
    assert error(path).startswith(f"{path}:2:1: ")
    path.write_text("x\n" * 12)
    assert error(path).endswith(f"; {path}: 2 more faults")


def in_place(path: Path, text: str) -> None:
    path.write_text(text)
    tick(path)


def by_rename(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def by_link(path: Path, text: str) -> None:
    """As Kubernetes does: the file is a link through a link to a directory, and that one is replaced."""
    data, version = path.with_name("..data"), path.with_name(f"..{path.with_name('..data').exists()}")
    version.mkdir(exist_ok=True)
    (version / path.name).write_text(text)
    tick(version / path.name)
    new = path.with_name("..tmp")
    new.symlink_to(version.name)
    new.replace(data)
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to(f"..data/{path.name}")


_ticks = iter(range(1, 1000))


def tick(path: Path) -> None:
    """Each write at a time of its own: two within a tick of the kernel's clock have the same."""
    os.utime(path, ns=(0, next(_ticks) * 10**9))


@pytest.mark.parametrize("write", [in_place, by_rename, by_link])
def test_a_change_is_taken_once(path: Path, write: Callable[[Path, str], None]) -> None:
    write(path, "ws://h:1")
    file = WatchedBackendFile(str(path))
    assert ports(file) == [1]
    assert (ports(file), file.settles) == (None, False)
    write(path, "ws://h:1\nws://h:2")
    assert settled(file) == [1, 2]
    assert (ports(file), file.settles) == (None, False)


def test_what_is_half_written_is_not_taken(path: Path) -> None:
    in_place(path, "ws://h:1")
    file = WatchedBackendFile(str(path))
    assert ports(file) == [1]
    for text in ("", "ws://h:1", "ws://h:1\nws://h:2"):
        in_place(path, text)
        assert ports(file) is None
    assert ports(file) == [1, 2]


def test_what_is_written_while_it_is_read_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_place(path, "ws://h:1")
    file = WatchedBackendFile(str(path))

    def slow(name: str, most: int) -> bytes:
        monkeypatch.undo()
        data: bytes = read_file(name, most)
        in_place(path, "ws://h:2")
        return data

    monkeypatch.setattr(backend_file, "read_file", slow)
    assert (ports(file), file.settles) == (None, True)
    assert settled(file) == [2]


def test_a_fault_is_raised_once(path: Path) -> None:
    in_place(path, "ws://h:1")
    file = WatchedBackendFile(str(path))
    assert ports(file) == [1]
    for text in ("h:1", None, ""):
        if text is None:
            path.unlink()
        else:
            in_place(path, text)
        with pytest.raises(BackendFileError):
            settled(file)
        assert ports(file) is None
    in_place(path, "ws://h:1")
    assert settled(file) == [1]


def test_a_file_that_is_not_there_at_first(path: Path) -> None:
    file = WatchedBackendFile(str(path))
    with pytest.raises(NothingListed):
        file.look()
    assert (file.look(), file.settles) == (None, False)
    in_place(path, "ws://h:1")
    assert settled(file) == [1]
