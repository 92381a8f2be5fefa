"""Checks passwords in threads of low priority, with bounds for each client address and for all together.

A check of a bcrypt hash takes about 50 ms of CPU, also for guessed passwords. So a few threads, to which Linux gives
the CPU time that the sessions leave, check one password each, and pause after a wrong one. The addresses alternate. For
one address the newest check is first: if more come than can be checked, a queue would delay all of them until their
deadlines, also the right password. If there are too many, the one that has waited longest is dropped. An address with
many wrong passwords gets its answers late, so that each of its connections can guess only rarely.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import random
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import trio

from wsgate.events.emit import emit

THREADS = max(1, (os.cpu_count() or 1) // 2)
WAITING_OF_ONE = 1024  # checks that may wait for one address
WAITING_IN_ALL = 4096
REST = 0.25  # of the CPU time that a check took, after a wrong password
WINDOW = 60.0  # seconds in which the wrong passwords of an address are counted together
FREE = 10  # wrong passwords in a window that are answered at once
# Seconds, plus or minus up to half, by which later answers are delayed; random, so that clients do not return together
DELAY = 48.0
MAX_DELAYED = 2048  # answers that are delayed at the same time
_ADDRESSES = 4096  # whose wrong passwords are counted
_LOWEST = 19  # nice(2)


class Busy(Exception):
    """Too many passwords are waiting, so this one was not checked."""


@dataclass(slots=True, eq=False)
class _Check:
    work: Callable[[], bool]
    answer: bool | BaseException | None = None
    done: trio.Event = field(default_factory=trio.Event)

    def end(self, answer: bool | BaseException) -> None:
        self.answer = answer
        self.done.set()


@dataclass(slots=True)
class _Wrong:
    """Wrong passwords of one address in the window that began at ``since``."""

    since: float
    number: int = 0


class Hashing:
    """All password checks of a process."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, dict[_Check, None]] = OrderedDict()  # by address, the next one to check first
        self._number = 0
        self._running = 0
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()
        self._delayed = 0

    async def check(self, address: str, work: Callable[[], bool]) -> bool:
        """Calls ``work`` in a thread. The caller bounds the time.

        address: as ``network`` returns it

        Returns what ``work`` returns and raises what it raises. Raises ``Busy`` when too many checks are waiting.
        """
        check = _Check(work)
        mine = self._waiting.setdefault(address, {})
        mine[check] = None
        self._number += 1
        if len(mine) > WAITING_OF_ONE:
            self._drop(address)
        elif self._number > WAITING_IN_ALL:
            self._drop(max(self._waiting, key=lambda name: len(self._waiting[name])))
        self._begin()
        try:
            await check.done.wait()
        finally:
            if check in self._waiting.get(address, ()):
                self._take(address, check)
        assert check.answer is not None
        if isinstance(check.answer, BaseException):
            raise check.answer
        return check.answer

    def _drop(self, address: str) -> None:
        oldest = next(iter(self._waiting[address]))
        self._take(address, oldest)
        oldest.end(Busy())

    def _take(self, address: str, check: _Check) -> None:
        mine = self._waiting[address]
        del mine[check]
        self._number -= 1
        if not mine:
            del self._waiting[address]

    def _begin(self) -> None:
        while self._running < THREADS and self._waiting:
            address, mine = next(iter(self._waiting.items()))
            self._waiting.move_to_end(address)
            newest = next(reversed(mine))
            self._take(address, newest)
            self._running += 1
            # A thread of its own: trio would use its threads for other work, with the lowest priority. No exit waits
            # for it
            token = trio.lowlevel.current_trio_token()
            threading.Thread(target=self._run, args=(newest, token), name="password", daemon=True).start()

    def _run(self, check: _Check, token: trio.lowlevel.TrioToken) -> None:
        """Runs in the thread."""
        if sys.platform == "linux":  # on other systems this would change the whole process
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        began = time.thread_time()
        answer: bool | BaseException
        try:
            answer = check.work()
        except Exception as error:  # for the caller
            answer = error
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(check.end, answer)
            if answer is False:
                time.sleep((time.thread_time() - began) * REST)
            token.run_sync_soon(self._end)

    def _end(self) -> None:
        self._running -= 1
        self._begin()

    def was_wrong(self, address: str) -> None:
        """Counts a wrong password. Logs once in a window that there are many."""
        now = trio.current_time()
        wrong = self._wrong.get(address)
        if wrong is None or now - wrong.since > WINDOW:
            self._wrong.pop(address, None)
            # many in the last window: the first answer of the new window is delayed too
            before = 0 if wrong is None or now - wrong.since > 2 * WINDOW else min(wrong.number, FREE - 1)
            wrong = self._wrong[address] = _Wrong(now, before)
            if len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)
        wrong.number += 1
        if wrong.number == FREE:
            consequence = f"for {WINDOW:g} s its wrong passwords are answered after {DELAY / 2:g} to {DELAY * 1.5:g} s"
            emit(logging.WARNING, "many wrong passwords", client=address, consequence=consequence)

    @contextlib.contextmanager
    def delay(self, address: str) -> Iterator[float]:
        """Yields the seconds by which to delay an answer, after a wrong or unchecked password."""
        wrong = self._wrong.get(address)
        late = wrong is not None and wrong.number >= FREE and trio.current_time() - wrong.since <= WINDOW
        if not late or self._delayed >= MAX_DELAYED:
            yield 0.0
            return
        self._delayed += 1
        try:
            yield DELAY * (0.5 + random.random())
        finally:
            self._delayed -= 1


_hashing: trio.lowlevel.RunVar[Hashing] = trio.lowlevel.RunVar("hashing")


def hashing() -> Hashing:
    """Returns the ``Hashing`` of this event loop: one for all configurations, because they share the CPU."""
    try:
        return _hashing.get()
    except LookupError:
        _hashing.set(made := Hashing())
        return made


def network(address: str) -> str:
    """Returns the address by which a client is counted: IPv4, or the IPv6 /64 in which one client can choose.

    address: in its normal form, as sockets and ``ipaddress`` have it
    """
    if ":" not in address:  # at once: each upgrade comes here
        return address
    try:
        ip = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip.packed, 64), strict=False))
