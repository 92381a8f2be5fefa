"""Reading a configuration file of every kind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wsgate.settings import text
from wsgate.settings.problem import ConfigError, Problem
from wsgate.settings.text import read_text


def problems(path: str | Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        read_text(str(path))
    return caught.value.problems


_MADE = "a container's engine makes one where a file that is to be mounted is missing"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.yaml", "cannot read the file: No such file or directory in 'DIRECTORY'"),
        ("/none/wsgate.yaml", "cannot read the file: No such file or directory"),
        (".", f"cannot read the file: Is a directory; {_MADE}"),
        ("file/wsgate.yaml", "cannot read the file: Not a directory"),
        ("/proc/self/mem", "cannot read the file: Input/output error"),
        ("a\0b", "cannot read the file: embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_one_problem(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert problems(name) == (Problem(name, 0, 0, "", message.replace("DIRECTORY", str(tmp_path))),)


def test_a_file_without_an_end_is_one_problem() -> None:
    assert problems("/dev/zero") == (Problem("/dev/zero", 0, 0, "", "larger than 16MiB: not a configuration file"),)


@pytest.mark.parametrize(
    ("data", "line", "col", "byte"),
    [
        (b"a: b\n# caf\xe9\n", 2, 6, "0xe9"),
        ("é: ü".encode() + b"\xff", 1, 5, "0xff"),
        ("a: b".encode("utf-16"), 1, 1, "0xff"),
    ],
)
def test_a_file_that_is_not_utf8_is_one_problem(data: bytes, line: int, col: int, byte: str, tmp_path: Path) -> None:
    path = tmp_path / "wsgate.yaml"
    path.write_bytes(data)
    message = f"not UTF-8: the byte {byte}; save the file as UTF-8"
    assert problems(path) == (Problem(str(path), line, col, "", message),)


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    before = os.dup(0)
    os.close(before)
    (tmp_path / "file").write_text("a: b")
    assert read_text(str(tmp_path / "file")) == "a: b"
    problems(tmp_path)
    after = os.dup(0)
    os.close(after)
    assert after == before


# -- pipes -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "wsgate.yaml"
    os.mkfifo(path)
    return path


def test_a_fifo_that_nobody_writes_to(fifo: Path) -> None:
    """Opening it for good would wait for ever."""
    (problem,) = problems(fifo)
    assert problem.message == "cannot read the file: nobody writes to this pipe: name a file, or write to it"


def test_a_fifo_whose_writer_takes_its_time(fifo: Path) -> None:
    """The first piece is there, the second comes while it is being read, the end after that."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    os.write(writer, b"a: " + b"b" * 50_000)

    def write() -> None:
        os.write(writer, b"c" * 200_000)
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_text(str(fifo)) == "a: " + "b" * 50_000 + "c" * 200_000
    thread.join()
    os.close(reader)


def test_a_fifo_that_does_not_end(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_LONGEST", 0.05)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    os.write(writer, b"a: b")
    assert "did not end within" in problems(fifo)[0].message
    os.close(writer)
    os.close(reader)


def test_standard_input() -> None:
    """A pipe from another command, as with <(command)."""
    code = "from wsgate.settings.text import read_text; print(read_text('/dev/stdin'))"
    done = subprocess.run(
        [sys.executable, "-c", code], input="routes: []", capture_output=True, text=True, timeout=10, check=True
    )
    assert done.stdout == "routes: []\n"


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        (problem,) = problems(tmp_path / "s")
    assert problem.message == "cannot read the file: No such device or address"
