"""A reload's settings, read and tried out by a child of the parent.

The file may be on a disk that hangs, a plugin that it names may never end its import, a name server may be away. The
parent waits for none of them: it has workers, signals and a watchdog to look after. So a child reads the file, loads
the certificates, opens the token sources, looks the listeners' names up, and says what it found; its end closes all
that it opened. Nothing of an operator's own code ever runs in the parent, or is shared by workers.
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
from wsgate.site.build import SourcesError
from wsgate.site.certificates import CertificateError

DEADLINE = 60.0  # seconds for a check, with the import of plugins
SLOW = 10.0  # seconds after which the log says that a reload waits
TOO_SLOW = f"not read within {DEADLINE:g} s: the disk of the file or of one that it names hangs, or a plugin's import"
MOST_HUNG = 4  # children that could not even be killed: their disk hangs


@dataclass(frozen=True, slots=True)
class Checked:
    """Settings with which nothing is wrong; ``looked_up``: where the names of listeners lead that are new."""

    settings: Settings
    looked_up: LookedUp


Outcome = Checked | ConfigError | CertificateError | SourcesError | ListenError


class CheckError(Exception):
    """A check that came to no end; the message says why, and what to do."""


class Checking:
    """At most one check at a time.

    prepare: what a child does first: it closes what is its parent's
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._pid = 0
        self._result = -1  # a file without a name, for the child's outcome
        self._began = 0.0
        self._said_slow = False
        self._killed: set[int] = set()

    @property
    def running(self) -> bool:
        return bool(self._pid)

    def begin(self, work: Callable[[], Checked], now: float) -> None:
        """Have a child do ``work``; one that is still at it is given up. Raises ``CheckError``."""
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
        """Seconds until ``look`` has something to say even where the child has not ended."""
        if not self.running:
            return math.inf
        return self._began + (DEADLINE if self._said_slow else SLOW) - now

    def look(self, now: float) -> Outcome | None:
        """What came of it; ``None`` where there is nothing new. Raises ``CheckError``."""
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
        """Whether it is time to say so; once for each check."""
        if not self.running or self._said_slow or now < self._began + SLOW:
            return False
        self._said_slow = True
        return True

    def give_up(self) -> None:
        """Kill the child; it is not waited for."""
        if self.running:
            os.kill(self._pid, signal.SIGKILL)
            self._killed.add(self._pid)
            self._pid = 0
            os.close(self._result)

    def _take(self, code: int) -> Outcome:
        self._pid = 0
        with open(self._result, "rb") as file:
            file.seek(0)  # the child's position is ours
            if code == 0:
                outcome: Outcome = pickle.load(file)
                return outcome
        if code == -signal.SIGALRM:  # the child's own clock, which is for a parent that is dead
            raise CheckError(TOO_SLOW)
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        raise CheckError(f"the process that checked the file ended with {how}")


def _has_ended(pid: int) -> int | None:
    """Its exit code, negative for a signal."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _check(work: Callable[[], Checked], result: int, channel: socket.socket) -> int:
    """The child."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE + SLOW)  # should the parent die
    outcome: Outcome
    try:
        outcome = work()
    except (ConfigError, CertificateError, SourcesError, ListenError) as error:
        outcome = error
    with contextlib.closing(channel), open(result, "wb", closefd=False) as file:
        pickle.dump(outcome, file)
    return 0
