"""websockify's TokenFile: its format, its edits, its faults."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.log import Log
from wsgate.settings.model import Target, TcpAddress, UnixAddress
from wsgate.site.tokens import file as module
from wsgate.site.tokens.file import FileSource, parse
from wsgate.site.tokens.source import SourceError

GOOD = """\
# desks
desk1: 10.0.0.1:5900

  desk2:\t10.0.0.2:5901  \r
a:b: host.example:1
six: [2001:db8::1]:5900
bare: 2001:db8::1:5901
sock: unix_socket:/run/vnc/1
desk1: 10.0.0.9:5900
"""


def tcp(host: str, port: int) -> tuple[Target, ...]:
    return (Target(TcpAddress(host, port)),)


def write(file: Path, *lines: str) -> None:
    file.write_text("\n".join(lines))


async def test_the_format(tmp_path: Path, log: Log) -> None:
    (tmp_path / "tokens").write_text("\ufeff" + GOOD)
    source = FileSource(str(tmp_path / "tokens"), False)
    assert await source.look_up("desk1") == tcp("10.0.0.9", 5900)  # the last line counts
    assert await source.look_up("desk2") == tcp("10.0.0.2", 5901)
    assert await source.look_up("a:b") == tcp("host.example", 1)
    assert await source.look_up("six") == tcp("2001:db8::1", 5900)
    assert await source.look_up("bare") == tcp("2001:db8::1", 5901)
    assert await source.look_up("sock") == (Target(UnixAddress("/run/vnc/1")),)
    for nowhere in ("a", "# desks", "Desk1", "desk1 ", ""):
        assert await source.look_up(nowhere) is None
    assert log.all("token file has a wrong line") == []


async def test_the_scheme_of_targets_without_one(tmp_path: Path) -> None:
    write(tmp_path / "tokens", "a: h:1", "b: tcp://h:1")
    source = FileSource(str(tmp_path / "tokens"), True)
    assert await source.look_up("a") == (Target(TcpAddress("h", 1), tls=True),)
    assert await source.look_up("b") == tcp("h", 1)


async def test_a_wrong_line_is_named_and_the_rest_works(tmp_path: Path, log: Log) -> None:
    file = tmp_path / "tokens"
    lines = [b"good: h:1", b"secret1:h:2", b"secret2: h", b"secret3: a: b:3", b": h:4", b"secr\xff: h:5", b"last: h:6"]
    file.write_bytes(b"\n".join(lines))
    source = FileSource(str(file), False)
    assert await source.look_up("good") == tcp("h", 1)
    assert await source.look_up("last") == tcp("h", 6)
    assert await source.look_up("secret1") is None
    wrong = log.all("token file has a wrong line")
    assert [(one["file"], one["line"]) for one in wrong] == [(str(file), number) for number in (2, 3, 4, 5, 6)]
    assert "no white space behind the token's colon" in wrong[0]["problem"]
    assert "no port" in wrong[1]["problem"]
    assert "no token in front" in wrong[3]["problem"]
    assert wrong[4]["problem"] == "is not UTF-8"
    assert "secr" not in str(wrong)


def test_many_wrong_lines_are_counted(log: Log) -> None:
    assert parse("tokens", b"x\n" * 25, False) == {}
    assert len(log.all("token file has a wrong line")) == 10
    assert log.one("token file has more wrong lines") == {"file": "tokens", "lines": 15}


async def test_wrong_lines_are_named_once_per_change(tmp_path: Path, log: Log) -> None:
    file = tmp_path / "tokens"
    write(file, "bad")
    source = FileSource(str(file), False)
    for _ in range(3):
        await source.look_up("x")
    assert len(log.all("token file has a wrong line")) == 1
    write(file, "worse", "a: h:1")
    for _ in range(3):
        assert await source.look_up("a") == tcp("h", 1)
    assert len(log.all("token file has a wrong line")) == 2


async def test_edits_are_seen_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    write(file, "a: h:1")
    source = FileSource(str(file), False)
    assert await source.look_up("b") is None
    for port in range(1, 6):
        write(file, f"b: h:{port}")
        assert await source.look_up("b") == tcp("h", port)
    assert await source.look_up("a") is None


async def test_a_file_that_vanishes_is_no_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    write(file, "a: h:1")
    source = FileSource(str(file), False)
    file.rename(tmp_path / "away")
    with pytest.raises(SourceError, match="tokens' does not exist"):
        await source.look_up("a")
    with pytest.raises(SourceError):
        await source.missing(["a"])
    (tmp_path / "away").rename(file)
    assert await source.look_up("a") == tcp("h", 1)


async def test_many_tokens_in_one_thread(tmp_path: Path) -> None:
    write(tmp_path / "tokens", "a: h:1", "b: h:2")
    source = FileSource(str(tmp_path / "tokens"), False)
    assert await source.missing(["a", "gone", "b", "lost"]) == {"gone", "lost"}


async def test_a_directory_of_files(tmp_path: Path) -> None:
    write(tmp_path / "1", "a: h:1", "both: h:1")
    write(tmp_path / "2", "b: h:2", "both: h:2")
    write(tmp_path / ".hidden", "c: h:3")
    (tmp_path / "folder").mkdir()
    source = FileSource(str(tmp_path), False)
    assert await source.look_up("a") == tcp("h", 1)
    assert await source.look_up("b") == tcp("h", 2)
    assert await source.look_up("both") == tcp("h", 2)
    assert await source.look_up("c") is None
    write(tmp_path / "3", "c: h:3")
    assert await source.look_up("c") == tcp("h", 3)
    (tmp_path / "2").unlink()
    assert await source.look_up("both") == tcp("h", 1)
    assert await source.look_up("b") is None


async def test_one_unreadable_file_of_a_directory(tmp_path: Path, log: Log) -> None:
    write(tmp_path / "1", "a: h:1")
    (tmp_path / "2").symlink_to("nowhere")
    source = FileSource(str(tmp_path), False)
    assert await source.look_up("a") == tcp("h", 1)
    with pytest.raises(SourceError, match=r"/2' does not exist"):  # it may be in there
        await source.look_up("b")
    with pytest.raises(SourceError, match=r"/2' does not exist"):
        await source.missing(["a", "b"])
    assert await source.missing(["a"]) == set()
    warning = log.one("token file cannot be read")  # once
    assert warning["file"] == str(tmp_path / "2")
    assert "does not exist" in warning["error"]
    (tmp_path / "2").unlink()
    assert await source.look_up("b") is None


async def test_a_directory_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(str(tmp_path), False)

    def scandir(path: str) -> object:  # root, as which tests may run, may read everything
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(SourceError, match=f"^{tmp_path}: Permission denied$"):
        await source.look_up("a")


async def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    for name in "12":
        write(tmp_path / name, f"t{name}: h:{name}")
    source = FileSource(str(tmp_path), False)
    write(tmp_path / "3", "")
    with pytest.raises(SourceError, match="more than 2 files"):
        await source.look_up("t1")
    (tmp_path / "3").unlink()
    os.truncate(tmp_path / "1", module.MAX_SIZE + 1)
    assert await source.look_up("t2") == tcp("h", 2)
    with pytest.raises(SourceError, match="larger than"):
        await source.look_up("t1")


def test_what_is_not_there_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="tokens' does not exist"):
        FileSource(str(tmp_path / "tokens"), False)
