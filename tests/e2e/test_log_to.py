"""Where the log of the real process goes: a file that logrotate renames, syslog."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.heads import plain_request
from tests.peers.threads import Client

from .gateway import COMMAND, ENVIRONMENT, STOP_DEADLINE, relay, write_config

pytestmark = pytest.mark.parametrize("workers", [1, 2])


@contextlib.contextmanager
def running(
    directory: Path, workers: int, to: str, level: str = "info", **sections: object
) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway whose log is not on standard error, which the end of the block finds empty."""
    listeners = [{"bind": f"unix:{directory}/gate.sock"}]
    file = write_config(
        directory, [relay(9)], listeners=listeners, workers=workers, log={"to": to, "level": level}, **sections
    )
    command = [*COMMAND, "serve", str(file)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=STOP_DEADLINE)[1] == b""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def listens(directory: Path) -> bool:
    """Whether it accepts connections: its socket has a file before that."""
    with contextlib.suppress(OSError), Client(f"{directory}/gate.sock"):
        return True
    return False


def refuse(directory: Path, path: str) -> None:
    with Client(f"{directory}/gate.sock") as client:
        client.send(plain_request(path))
        assert client.read_head().status == 426


def soon(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + STOP_DEADLINE
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lines_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def has(file: Path, event: str, **fields: str) -> Callable[[], bool]:
    return lambda: any(line["event"] == event and fields.items() <= line.items() for line in lines_in(file))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_a_file_is_opened_again_at_a_signal(tmp_path: Path, workers: int, number: int) -> None:
    file = tmp_path / "wsgate.log"
    with running(tmp_path, workers, f"file:{file}") as process:
        soon(has(file, "ready"))
        refuse(tmp_path, "/one")
        soon(has(file, "refused", path="/one"))
        file.rename(tmp_path / "wsgate.log.1")
        process.send_signal(number)
        refuse(tmp_path, "/two")
        soon(has(file, "refused", path="/two"))
        assert not has(tmp_path / "wsgate.log.1", "refused", path="/two")()
    assert lines_in(file)[-1]["event"] == "stopped"


def test_syslog(tmp_path: Path, workers: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(f"{tmp_path}/log")
        syslog.settimeout(STOP_DEADLINE)
        with running(tmp_path, workers, f"syslog:{tmp_path}/log"):
            while b" ready - {" not in (message := syslog.recv(4096)):
                assert message.startswith(b"<30>1 ")


def test_every_process_counts_the_lines_that_it_has_lost(tmp_path: Path, workers: int) -> None:
    """With workers their parent loses two, and the admin process one."""
    (tmp_path / "token").write_text("a-token\n")
    admin = {"bind": f"unix:{tmp_path}/admin.sock", "token": {"file": str(tmp_path / "token")}}

    def ask(path: str) -> bytes:
        with Client(f"{tmp_path}/admin.sock") as client:
            client.send(plain_request(path, "localhost", Authorization="Bearer nonsense", Connection="close"))
            return client.read_all()

    place = tmp_path / "logs"
    place.mkdir()
    with running(tmp_path, workers, f"file:{place}/log", "warning", admin=admin) as process:
        soon(lambda: listens(tmp_path) and b"\nready\n" in ask("/readyz"))
        place.rename(tmp_path / "gone")
        ask("/api/v1/sessions")
        (tmp_path / "wsgate.yaml").write_text("nonsense\n")
        process.send_signal(signal.SIGHUP)
        soon(lambda: b"\nwsgate_log_lines_dropped_total 3\n" in ask("/metrics"))


def test_a_place_that_is_not_there_stops_nobody(tmp_path: Path, workers: int) -> None:
    """Until it is there; then the lines come, or the log says how many are missing."""
    with running(tmp_path, workers, f"syslog:{tmp_path}/log") as process:
        soon(lambda: listens(tmp_path))
        refuse(tmp_path, "/one")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.bind(f"{tmp_path}/log")
            syslog.settimeout(STOP_DEADLINE)
            process.send_signal(signal.SIGHUP)  # each process has a line about it, and says with it what it has lost
            missing = {b" ready - {", b" refused - {"}
            while missing:
                message = syslog.recv(4096)
                if b" log_lines_dropped - {" in message:
                    break
                missing = {event for event in missing if event not in message}
