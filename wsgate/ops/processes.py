"""fork(2), and the signals of whoever forks."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger("wsgate")

# What a parent hears. Whatever reaches a whole group of processes reaches the parent too, so its children hear nothing
_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_HEARD = (*_ORDERS, signal.SIGCHLD)


@contextlib.contextmanager
def caught_signals() -> Iterator[socket.socket]:
    """TERM, INT, HUP and CHLD as bytes to read; whoever has read one looks for every child that may have ended."""
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        handlers = {number: signal.signal(number, lambda number, frame: None) for number in _HEARD}
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def fork(work: Callable[[socket.socket], int], prepare: Callable[[], None]) -> tuple[int, socket.socket]:
    """A child that does ``work``, with its end of a pair of sockets, and ends with the status that this returns.

    ``prepare`` runs in the child first: it closes what the parent keeps for itself. Returns the child's process id and
    the parent's end. Raises ``OSError``. The caller runs no other thread: a child would find their locks taken.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stderr.flush()  # or what waits in it is written twice
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # none may reach a child that still acts as its parent
    try:
        pid = os.fork()
        if not pid:
            _be_child(work, prepare, ours, theirs, mask)
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
    return pid, ours


def _be_child(
    work: Callable[[socket.socket], int],
    prepare: Callable[[], None],
    ours: socket.socket,
    theirs: socket.socket,
    mask: set[signal.Signals | int],
) -> None:
    """Never returns."""
    status = os.EX_SOFTWARE
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in _ORDERS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        ours.close()
        prepare()
        status = work(theirs)
    except BaseException:
        _log.exception("internal error: please report it", extra={"event": "bug", "fields": {}})
    finally:
        logging.shutdown()
        os._exit(status)


def call_in_child(work: Callable[[], T], prepare: Callable[[], None], within: float) -> T:
    """What ``work`` returns or raises as ``OSError``, done by a child, to which the caller's descriptors belong, too.

    For what may wait for a disk, in a process that has no thread for it. Raises ``TimeoutError`` after ``within``
    seconds, and ``OSError`` where there is no process, or it dies. ``prepare`` is as for ``fork``.
    """

    def report(channel: socket.socket) -> int:
        result: tuple[bool, object]
        try:
            result = True, work()
        except OSError as error:
            result = False, error
        channel.send(pickle.dumps(result))
        return 0

    pid, channel = fork(report, prepare)
    with channel:
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        if not poll.poll(within * 1000):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)  # the kernel may not let it go yet: then it stays a zombie
            raise TimeoutError(f"it did not answer within {within:g} s")
        data = channel.recv(1 << 16)
    os.waitpid(pid, 0)
    if not data:
        raise ChildProcessError("the process that did it has died")
    is_result, result = pickle.loads(data)
    if not is_result:
        raise result
    found: T = result
    return found


def run_in_child(work: Callable[[], T]) -> T:
    """What ``work`` returns, from a process that ends with it: nothing that it imports or opens stays.

    For a process that does nothing else meanwhile. Raises ``OSError`` where there is no process, or it dies.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()

    def end(number: int, _: object) -> None:
        os.kill(pid, signal.SIGKILL)  # what it imports may never end
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    # A signal between the fork and the readiness to end the child would leave the child behind: it waits until then.
    before = signal.signal(signal.SIGTERM, end)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    pid = os.fork()
    if not pid:
        status = os.EX_SOFTWARE
        try:
            signal.signal(signal.SIGTERM, before)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(reader)
            with open(writer, "wb") as pipe:
                pickle.dump(work(), pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with open(reader, "rb") as result_file:
            data = result_file.read()
    except BaseException:  # Ctrl-C
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        how = f"status {code}" if code > 0 else signal.Signals(-code).name
        raise ChildProcessError(f"the process that did it ended with {how}")
    result: T = pickle.loads(data)
    return result
