"""Checks a reload's settings in a child of the parent of workers.

The disk of the file may hang, the import of a plugin may never end, a name server may not answer. The parent must wait
for none of them, because it handles workers, signals and the watchdog. So a child reads the file, loads the
certificates, opens the token sources, resolves the listeners' names, and reports the result. Its end closes all that it
opened. No code of the operator ever runs in the parent or is shared by workers.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wsgate.ops.listeners import ListenError, LookedUp
from wsgate.ops.processes import fork
from wsgate.settings.model import Settings
from wsgate.settings.problem import ConfigError

DEADLINE = 60.0  # seconds for a check, with the import of plugins
SLOW = 10.0  # seconds after which the log says that a reload waits
TOO_SLOW = f"not read within {DEADLINE:g} s: the disk of the file or of one that it names hangs, or a plugin's import"
MOST_HUNG = 4  # children that cannot be killed because their disk hangs


@dataclass(frozen=True, slots=True)
class Checked:
    """Settings without a fault; ``looked_up``: the resolved names of new listeners."""

    settings: Settings
    looked_up: LookedUp


Outcome = Checked | ConfigError | ListenError


class CheckError(Exception):
    """A check did not finish; the message says why, and what to do."""


class Checking:
    """Runs checks, one at a time.

    prepare: called first in a child, to close what belongs to the parent
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._pid = 0
        self._result = -1  # an unnamed file for the child's result
        self._began = 0.0
        self._said_slow = False
        self._killed: set[int] = set()

    @property
    def running(self) -> bool:
        return bool(self._pid)

    def begin(self, work: Callable[[], Checked], now: float) -> None:
        """Starts ``work`` in a child and abandons the present one. Raises ``CheckError`` when there is no process."""
        self.give_up()
        if len(self._killed) >= MOST_HUNG:
            raise CheckError(f"{len(self._killed)} earlier checks hang and cannot be killed: look at the disks")
        self._result = os.memfd_create("wsgate-check", os.MFD_CLOEXEC)
        try:
            self._pid, channel = fork(partial(_check, work, self._result), prepare=self._prepare)
        except OSError as error:
            os.close(self._result)
            raise CheckError(f"the system gives no process to check it: {error.strerror}") from None
        channel.close()  # its end says all
        self._began = now
        self._said_slow = False

    def wait(self, now: float) -> float:
        """Returns the seconds until ``look`` must be called although the child has not ended."""
        if not self.running:
            return math.inf
        return self._began + (DEADLINE if self._said_slow else SLOW) - now

    def look(self, now: float) -> Outcome | None:
        """Returns the result; ``None`` if there is none yet. Raises ``CheckError`` when the check did not finish."""
        self._killed -= {pid for pid in self._killed if _has_ended(pid) is not None}
        if not self.running:
            return None
        code = _has_ended(self._pid)
        if code is not None:
            return self._take(code)
        if now >= self._began + DEADLINE:
            self.give_up()
            raise CheckError(TOO_SLOW)
        return None

    def is_slow(self, now: float) -> bool:
        """Whether to log that the check is slow; True once for each check."""
        if not self.running or self._said_slow or now < self._began + SLOW:
            return False
        self._said_slow = True
        return True

    def give_up(self) -> None:
        """Kills the child without waiting for its end."""
        if self.running:
            os.kill(self._pid, signal.SIGKILL)
            self._killed.add(self._pid)
            self._pid = 0
            os.close(self._result)

    def _take(self, code: int) -> Outcome:
        self._pid = 0
        with open(self._result, "rb") as file:
            file.seek(0)  # the file position is shared with the child
            if code == 0:
                outcome: Outcome = pickle.load(file)
                return outcome
        if code == -signal.SIGALRM:  # the child's own timeout, which matters if the parent is dead
            raise CheckError(TOO_SLOW)
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        raise CheckError(f"the process that checked the file ended with {how}")


def _has_ended(pid: int) -> int | None:
    """Returns the exit code, negative for a signal; ``None`` if it still runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _check(work: Callable[[], Checked], result: int, channel: socket.socket) -> int:
    """Runs the check in the child."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE + SLOW)  # in case the parent dies
    outcome: Outcome
    try:
        outcome = work()
    except (ConfigError, ListenError) as error:
        outcome = error
    with contextlib.closing(channel), open(result, "wb", closefd=False) as file:
        pickle.dump(outcome, file)
    return 0
