"""What is opened where the operator names a file: on no path, and for no reader, something to wait for."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wsgate.net.tls.pem_files import PemFiles
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.source import SourceError
from wsgate.text.error import TextError
from wsgate.text.file import check_file, open_nonblocking, owners, password, read_file


def test_a_file_up_to_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "it"
    file.write_bytes(b"1234")
    (tmp_path / "link").symlink_to("it")
    for path in (file, tmp_path / "link"):
        assert read_file(str(path), 4) == b"1234"
        assert check_file(str(path), 4).st_size == 4
    for read in (read_file, check_file):
        with pytest.raises(TextError) as caught:
            read(str(file), 3)
        assert str(caught.value) == f"the file {str(file)!r} is larger than 3B: not what should stand here"


def test_a_file_that_does_not_say_how_large_it_is() -> None:
    """As those in /proc."""
    with pytest.raises(TextError, match="is larger than 1B"):
        read_file("/proc/self/status", 1)


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def link_to_zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, bind, link_to_zero])
def test_what_is_no_file_is_none_for_any_reader(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "it"
    make(path)
    for read in (read_file, check_file):
        with pytest.raises(TextError) as caught:
            read(str(path), 100)
        assert str(caught.value) == f"{str(path)!r} is not a file"
    with pytest.raises(ValueError, match=r"is not a file$"):
        PemFiles().read(str(path))
    with pytest.raises(SourceError, match=r"is not a file$"):
        Fresh(str(path), bytes, 100).get()


def test_a_file_that_becomes_a_fifo_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "it"
    file.touch()
    before = os.stat(file)
    file.unlink()
    os.mkfifo(file)
    monkeypatch.setattr("wsgate.text.file.os.stat", lambda path: before)
    with pytest.raises(TextError, match=r"is not a file$"):
        read_file(str(file), 100)


def test_a_fifo_is_opened_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "it")
    descriptor = open_nonblocking(str(tmp_path / "it"))
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("data", [b"sesame", b"sesame\n", b"sesame\r\n", b"sesame\nand more\n"])
def test_a_password_is_the_first_line_of_its_file(data: bytes) -> None:
    assert password(data) == b"sesame"


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"\nsesame"])
def test_an_empty_first_line_is_no_password(data: bytes) -> None:
    with pytest.raises(TextError) as caught:
        password(data)
    assert caught.value.problem == "has no password in its first line"


def test_whose_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.pem"
    file.touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 65532)
    me = pwd.getpwuid(os.getuid()).pw_name
    assert owners(str(file)) == f"it belongs to {me}, with mode 0600, and this is the user 65532"
    assert owners(str(tmp_path / "none")) == "the user 65532 may not enter a directory on the way to it"
