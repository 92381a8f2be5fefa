"""The owner of an address: real sockets of real processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from wsgate.ops import address_owner
from wsgate.ops.address_owner import owner_of
from wsgate.settings.model import Address, TcpAddress, UnixAddress

PROGRAM = """
import os, socket, sys
kind, where = sys.argv[1:]
if kind == "unix":
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(where)
    sock.listen()
    print(0, flush=True)
else:
    sock = socket.create_server((where, 0), family=socket.AF_INET6 if ":" in where else socket.AF_INET)
    print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Other:
    def __init__(self, kind: str, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, kind, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()

    @property
    def name(self) -> str:
        return Path(f"/proc/{self.process.pid}/comm").read_text().strip()


@pytest.fixture(params=[("tcp", "127.0.0.1"), ("tcp", "0.0.0.0"), ("tcp", "::1"), ("tcp", "::"), ("unix", "")])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Other, Address]]:
    kind, where = request.param
    path = str(tmp_path / "s")
    other = Other(kind, where or path)
    wanted: Address = UnixAddress(path)
    if kind == "tcp":
        wanted = TcpAddress("::1" if ":" in where else "127.0.0.1", other.port)
    yield other, wanted
    other.end()


def test_it_is_named(other: tuple[Other, Address]) -> None:
    process, wanted = other
    assert owner_of(wanted) == f"{process.name} (pid {process.process.pid})"
    if isinstance(wanted, TcpAddress):
        assert owner_of(TcpAddress("::" if ":" in wanted.host else "0.0.0.0", wanted.port)) is not None


def test_ourselves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert owner_of(TcpAddress("127.0.0.1", sock.getsockname()[1])) == "this gateway itself"


def test_processes_with_many_descriptors_are_searched_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for the search is bounded. A process may end meanwhile."""
    sizes = {"11": 10_000, "12": 5, "13": 70}

    def stat(path: str) -> SimpleNamespace:
        if path == "/proc/14/fd":
            raise FileNotFoundError(path)
        return SimpleNamespace(st_size=sizes[path.split("/")[2]])

    searched: list[str] = []

    def scan(path: str) -> contextlib.nullcontext[list[os.DirEntry[str]]]:
        searched.append(path)
        return contextlib.nullcontext([])

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", lambda path: ["self", "11", "12", "13", "14"])
        patched.setattr(os, "stat", stat)
        patched.setattr(os, "scandir", scan)
        assert address_owner._process_with({"socket:[1]"}) is None
    assert searched == [f"/proc/{name}/fd" for name in (14, 12, 13, 11)]


def test_nobody(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen
        assert owner_of(TcpAddress("127.0.0.1", sock.getsockname()[1])) is None
    assert owner_of(UnixAddress(str(tmp_path / "s"))) is None
    assert owner_of(TcpAddress("a.test", 80)) is None


def test_one_that_may_not_be_looked_at(other: tuple[Other, Address], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or for which there is no time."""
    monkeypatch.setattr(address_owner, "_LONGEST", -1.0)
    _, wanted = other
    expected = None if isinstance(wanted, UnixAddress) else f"a process of the user with the id {os.getuid()}"
    assert owner_of(wanted) == expected


def test_a_name_that_is_not_for_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "open('/proc/self/comm', 'w').write('a\\x1b[2Jb'); " + PROGRAM
    monkeypatch.setattr(sys.modules[__name__], "PROGRAM", code)
    other = Other("tcp", "127.0.0.1")
    owner = owner_of(TcpAddress("127.0.0.1", other.port))
    assert owner == f"'a\\x1b[2Jb' (pid {other.process.pid})"
    other.end()
