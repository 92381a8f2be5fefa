"""Opening beneath a directory: links inside are followed, and no link leads outside, whenever it appears."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.descriptors import descriptors
from wsgate.disk.beneath import NOT_THERE, OutsideRoot, open_beneath


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "file").write_text("file")
    (root / "a" / "b" / "deep").write_text("deep")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "alias").symlink_to("root")
    before = descriptors()
    yield root
    assert descriptors() == before


def read(root: Path, path: str) -> tuple[str, str]:
    """What is in it, and where it really lies."""
    with open_beneath(str(root), path.split("/")) as found:
        return os.read(found.fd, 100).decode(), "/".join(found.names)


def test_what_is_there(root: Path) -> None:
    assert read(root, "file") == ("file", "file")
    assert read(root, "a/b/deep") == ("deep", "a/b/deep")
    assert read(root, "a//b/./deep") == ("deep", "a/b/deep")
    assert read(root, "a/b/../b/deep") == ("deep", "a/b/deep")
    with open_beneath(str(root), ["a"]) as found:
        assert (found.is_directory, found.is_file, found.is_socket, found.names) == (True, False, False, ("a",))
    with open_beneath(str(root), []) as found:
        assert (found.is_directory, found.names) == (True, ())


def test_links_inside_are_followed(root: Path) -> None:
    (root / "relative").symlink_to("a/b/deep")
    (root / "a" / "up").symlink_to("../file")
    (root / "a" / "round").symlink_to("b/../../a/./b")
    (root / "absolute").symlink_to(root / "a")
    (root / "by-the-alias").symlink_to(root.parent / "alias" / "a" / "b")
    (root / "chain").symlink_to("relative")
    for path in ("relative", "a/round/deep", "absolute/b/deep", "by-the-alias/deep", "chain"):
        assert read(root, path) == ("deep", "a/b/deep"), path
    assert read(root, "a/up") == ("file", "file")
    assert read(root.parent / "alias", "absolute/b/deep") == ("deep", "a/b/deep")


def test_no_link_leads_out(root: Path) -> None:
    (root / "relative").symlink_to("../secret")
    (root / "absolute").symlink_to(root.parent / "secret")
    (root / "up").symlink_to("..")
    (root / "a" / "far").symlink_to("../../root/file")
    (root / "device").symlink_to("/dev/zero")
    (root / "everything").symlink_to("/")
    for path in ("relative", "absolute", "up", "up/secret", "a/far", "device", "everything/etc", "../secret", ".."):
        with pytest.raises(OutsideRoot):
            read(root, path)


def test_what_is_not_there(root: Path) -> None:
    (root / "circle").symlink_to("circle")
    (root / "broken").symlink_to("nowhere")
    for path in ("none", "none/x", "file/x", "circle", "broken", "x" * 300):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            read(root, path)
        assert caught.value.errno in NOT_THERE, path


def test_nothing_special_is_opened_for_reading_or_waited_for(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener, open_beneath(str(root), ["fifo"]) as fifo:
        listener.bind(str(root / "socket"))
        assert not fifo.is_file
        with open_beneath(str(root), ["socket"]) as found:
            assert found.is_socket
            assert not found.is_file


def swap_after_stat(monkeypatch: pytest.MonkeyPatch, name: str, swap: Callable[[], object]) -> None:
    """Something else is put there, once, when it has been looked at and not been opened yet."""
    real, left = os.stat, [swap]

    def stat(path: str, **how: object) -> os.stat_result:
        found = real(path, **how)  # type: ignore[arg-type]
        if path == name and left:
            left.pop()()
        return found

    monkeypatch.setattr(os, "stat", stat)


def test_a_file_becomes_a_link_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "new").symlink_to("../secret")
    swap_after_stat(monkeypatch, "file", lambda: os.rename(root / "new", root / "file"))
    with pytest.raises(OutsideRoot):
        read(root, "file")


def test_a_directory_becomes_a_link_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        os.rename(root / "a", root / "away")
        os.symlink("..", root / "a")

    swap_after_stat(monkeypatch, "a", swap)
    with pytest.raises(OutsideRoot):
        read(root, "a/secret")


def test_a_socket_becomes_a_link_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    (root / "new").symlink_to("../secret")
    swap_after_stat(monkeypatch, "socket", lambda: os.rename(root / "new", root / "socket"))
    with pytest.raises(OutsideRoot):
        open_beneath(str(root), ["socket"])


def test_a_link_becomes_a_file_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "link").symlink_to("../secret")
    (root / "new").write_text("new")
    swap_after_stat(monkeypatch, "link", lambda: os.rename(root / "new", root / "link"))
    assert read(root, "link") == ("new", "link")


def test_a_directory_is_moved_out_while_it_is_walked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ ".." is where the walk came from, and not what is above the directory now."""
    swap_after_stat(monkeypatch, "b", lambda: os.rename(root / "a", root.parent / "moved"))
    assert read(root, "a/b/../../file") == ("file", "file")


def test_no_descriptors_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(OSError, match="Too many"):
            open_beneath(str(root), ["file"])
