"""Children made by fork, and the signals that only their parent handles."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.descriptors import descriptors
from wsgate.ops.processes import call_in_child, caught_signals, fork, run_in_child

HANGS = """
import os, time
from wsgate.ops.processes import run_in_child

def work():
    print(os.getpid(), flush=True)
    time.sleep(600)

run_in_child(work)
"""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def nothing() -> None:
    pass


@contextmanager
def child(
    work: Callable[[socket.socket], int], prepare: Callable[[], None] = nothing
) -> Iterator[tuple[int, socket.socket]]:
    pid, channel = fork(work, prepare)
    with channel:
        channel.settimeout(10)
        yield pid, channel


def status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_for_word(channel: socket.socket) -> None:
    channel.recv(10)


def test_work_and_its_status() -> None:
    def work(channel: socket.socket) -> int:
        channel.send(b"hello")
        return int(channel.recv(10))

    with child(work) as (pid, channel):
        assert channel.recv(10) == b"hello"
        channel.send(b"3")
        assert channel.recv(10) == b""
        assert status(pid) == 3


def test_preparation_comes_first() -> None:
    done: list[str] = []

    def prepare() -> None:
        done.append("prepared")

    def work(channel: socket.socket) -> int:
        channel.send(",".join([*done, "worked"]).encode())
        return 0

    with child(work, prepare) as (pid, channel):
        assert channel.recv(100) == b"prepared,worked"
        assert status(pid) == 0
    assert done == []


@pytest.mark.parametrize("caught", [False, True])
def test_signals_do_not_reach_a_child(caught: bool) -> None:
    def work(channel: socket.socket) -> int:
        channel.send(b"ready")
        wait_for_word(channel)
        return 0

    def check() -> None:
        with child(work) as (pid, channel):
            assert channel.recv(10) == b"ready"
            for number in SIGNALS:
                os.kill(pid, number)
            channel.send(b"end")
            assert status(pid) == 0

    if caught:
        with caught_signals() as signals:
            check()
            assert signals.recv(100) == bytes([signal.SIGCHLD])  # no signal of the child
    else:
        check()


def test_a_child_ends_with_its_parent() -> None:
    """The middle process dies as hard as can be; its child sees the end of the channel."""
    reader, writer = os.pipe()

    def grandchild(channel: socket.socket) -> int:
        wait_for_word(channel)
        os.write(writer, b"over")
        return 0

    def middle(channel: socket.socket) -> int:
        fork(grandchild, channel.close)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    with child(middle) as (pid, _):
        assert status(pid) == -signal.SIGKILL
    os.close(writer)
    assert os.read(reader, 10) == b"over"
    os.close(reader)


def test_a_bug_is_logged_and_told_by_the_status() -> None:
    reader, writer = os.pipe()

    def work(channel: socket.socket) -> int:
        handler = logging.StreamHandler(os.fdopen(writer, "w"))
        logging.getLogger("wsgate").handlers = [handler]
        raise RuntimeError("a bug of ours")

    with child(work) as (pid, _):
        assert status(pid) == os.EX_SOFTWARE
    os.close(writer)
    with os.fdopen(reader) as log:
        assert "RuntimeError: a bug of ours" in log.read()


def test_what_waits_to_be_written_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "stderr").open("w") as buffered:
        monkeypatch.setattr(sys, "stderr", buffered)
        sys.stderr.write("once")

        def work(channel: socket.socket) -> int:
            sys.stderr.flush()
            return 0

        with child(work) as (pid, _):
            status(pid)
        monkeypatch.undo()
    assert (tmp_path / "stderr").read_text() == "once"


def test_no_process_is_left_behind_where_there_is_none_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    before = descriptors()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        with pytest.raises(BlockingIOError):
            fork(lambda channel: 0, nothing)
    assert descriptors() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_signals_are_bytes_and_the_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with caught_signals() as signals:
        for number in SIGNALS:
            os.kill(os.getpid(), number)
        assert sorted(signals.recv(100)) == sorted(SIGNALS)
        with pytest.raises(BlockingIOError):
            signals.recv(100)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_a_child_returns() -> None:
    assert run_in_child(lambda: "x" * 1_000_000) == "x" * 1_000_000
    assert run_in_child(os.getpid) != os.getpid()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("end", "how"), [(lambda: os._exit(3), "status 3"), (killed, "SIGKILL")])
def test_a_child_that_dies(end: Callable[[], None], how: str) -> None:
    with pytest.raises(ChildProcessError, match=f"ended with {how}"):
        run_in_child(end)


def test_a_bug_in_a_child_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise RuntimeError("a bug of ours")

    with pytest.raises(ChildProcessError, match="ended with status 70"):
        run_in_child(work)
    assert "RuntimeError: a bug of ours" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_child_that_hangs_ends_with_who_waits_for_it(number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=10)  # the child has its output, too: this is the end of both
    assert process.returncode == -number


def test_what_may_wait_for_a_disk_is_done_by_a_child(tmp_path: Path) -> None:
    """What it does to a descriptor is done to ours."""
    with socket.socket(socket.AF_UNIX) as sock:

        def bind() -> int:
            sock.bind(str(tmp_path / "s"))
            return os.getpid()

        assert call_in_child(bind, lambda: None, 10) != os.getpid()
        assert sock.getsockname() == str(tmp_path / "s")


def test_what_it_raises_in_a_child_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        call_in_child(lambda: os.unlink(tmp_path / "none"), lambda: None, 10)
    assert raised.value.errno == errno.ENOENT


def test_a_child_that_hangs_is_waited_for_no_longer() -> None:
    with pytest.raises(TimeoutError, match=r"^it did not answer within 0\.01 s$"):
        call_in_child(signal.pause, lambda: None, 0.01)


def test_a_child_that_dies_has_done_nothing() -> None:
    with pytest.raises(ChildProcessError):
        call_in_child(lambda: os._exit(3), lambda: None, 10)
