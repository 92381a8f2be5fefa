"""A process's end that threads of a plugin would hold up."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(before: str) -> int:
    """The exit status of a process that has served, and done something ``before`` its end."""
    program = f"""
import concurrent.futures, sys, threading
from wsgate.ops import stray_threads
stray_threads.PATIENCE = 0.1
never = threading.Event()
{textwrap.dedent(before)}
stray_threads.bound_exit(3, [threading.main_thread()])
sys.exit(3)
"""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=20, check=False).returncode


def test_none() -> None:
    assert run("") == 3


def test_one_that_was_there_before_is_its_owners() -> None:
    program = """
thread = threading.Thread(target=never.wait, args=(0.3,))
thread.start()
stray_threads.bound_exit(4, threading.enumerate())
"""
    assert run(program) == 3


def test_one_that_never_ends() -> None:
    assert run("threading.Thread(target=never.wait).start()") == 3


def test_a_pool_in_a_call_that_hangs() -> None:
    assert run("concurrent.futures.ThreadPoolExecutor(2).submit(never.wait)") == 3


def test_a_pool_that_is_idle_ends_by_itself() -> None:
    assert run("concurrent.futures.ThreadPoolExecutor(2).submit(print).result()") == 3
