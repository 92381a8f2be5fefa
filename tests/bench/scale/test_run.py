"""A small run of all phases, with real programs in namespaces."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
DEADLINE = 120.0  # seconds
SMALL = [
    *(
        "--sessions=40",
        "--replicas=2",
        "--backends=2",
        "--balancers=1",
        "--rate=100",
        "--steady=0.5",
        "--reconnect=0.5",
    ),
    # nobody is taken for dead because this machine is busy
    *("--ping=2", "--silence=10", "--check=0.5", "--fall=4", "--delay=1.5", "--spread=1", "--over=1"),
]

pytestmark = [
    pytest.mark.needs("gcc", "haproxy", "ip", "make", "setpriv", "unshare"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root"),
]


@contextmanager
def running(directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.scale", *SMALL, "--directory", str(directory)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def processes(directory: Path) -> list[str]:
    """The command lines of all programs of a run that are there."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def wait_until_gone(directory: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while (left := processes(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel ends them, and tells nobody who is not their parent
    assert left == []


def test_all_phases_and_each_client_sees_one_close(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        out, _ = process.communicate(timeout=DEADLINE)
    rows = re.findall(r"^(\S.*?)  +(\S.*?)  +(\S+) +([=≤≥≈] \S+) +(yes|NO)$", out, re.MULTILINE)
    assert {row[0] for row in rows} == {"connect", "steady", "rolling restart", "death", "move", "end"}, out
    # how fast it goes is this machine's; a run for figures holds it to that
    assert [row for row in rows if row[4] != "yes" and "second" not in row[1]] == [], out
    assert [row[2:4] for row in rows if row[1] == "clients that saw exactly one Close"] == [("40", "= 40")]
    assert [row[2:4] for row in rows if row[1] == "clients of the dead replica that are back"] == [("20", "= 20")]
    wait_until_gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline().endswith("start\n")
        while len(processes(tmp_path)) < 4:  # a gateway at least
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(DEADLINE) != 0
        wait_until_gone(tmp_path)
