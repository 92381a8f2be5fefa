from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import NotStarted, alone, cpu_seconds, free_port, on_cores, start, stop, wait_until_accepting

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"
ALL = frozenset(os.sched_getaffinity(0))


def test_a_program_is_waited_for_and_stopped(tmp_path: Path) -> None:
    port = free_port()
    words = [sys.executable, "-c", LISTEN, str(port)]
    process = start(words, cores=ALL, directory=tmp_path, stdin=subprocess.PIPE)
    wait_until_accepting(process, port, tmp_path)
    assert cpu_seconds(process.pid) > 0
    stop(process)
    assert process.returncode is not None
    assert cpu_seconds(process.pid) == 0


def test_a_program_that_ends_says_why(tmp_path: Path) -> None:
    process = start([sys.executable, "-c", "raise SystemExit('no such key')"], cores=ALL, directory=tmp_path)
    with pytest.raises(NotStarted, match="exit status 1: no such key"):
        wait_until_accepting(process, free_port(), tmp_path)
    stop(process)


def test_children_inherit_the_core_and_we_get_ours_back(tmp_path: Path) -> None:
    one = frozenset({min(ALL)})
    with on_cores(one):
        assert os.sched_getaffinity(0) == one
    assert os.sched_getaffinity(0) == ALL


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(BlockingIOError), alone(tmp_path):
        pass
    with alone(tmp_path):  # the first is over
        pass
