"""Child processes by fork(2), and the signals of their parent."""

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

# The signals that a parent handles. A signal to the whole process group reaches the parent too, so children ignore them
_CONTROL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_CAUGHT = (*_CONTROL, signal.SIGCHLD)


@contextlib.contextmanager
def caught_signals() -> Iterator[socket.socket]:
    """Yields a socket from which TERM, INT, HUP, USR1 and CHLD are read as bytes.

    One CHLD may stand for several children that have ended.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        handlers = {number: signal.signal(number, lambda number, frame: None) for number in _CAUGHT}
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def fork(work: Callable[[socket.socket], int], prepare: Callable[[], None]) -> tuple[int, socket.socket]:
    """Starts a child that calls ``work`` and exits with the status that it returns.

    work: gets the child's end of a pair of sockets
    prepare: called first in the child, to close what belongs to the parent

    Returns the child's process id and the parent's end. Raises ``OSError`` when there is no process. The caller must
    run no other thread: the child could find its locks held.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stderr.flush()  # or buffered text is written twice
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)  # until the child has its own handlers
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
    """Runs the child. Never returns."""
    status = os.EX_SOFTWARE
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in _CONTROL:
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
    """Calls ``work`` in a child, which shares the caller's open files.

    For a call that may wait for a disk, in a process that must run no thread.

    prepare: as for ``fork``
    within: seconds

    Returns what ``work`` returns and raises its ``OSError``. Raises ``TimeoutError`` after ``within`` seconds,
    ``OSError`` when there is no process or it dies.
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
            os.waitpid(pid, os.WNOHANG)  # if it cannot end yet, it stays a zombie
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
    """Calls ``work`` in a child, so that nothing that it imports or opens stays in this process.

    This process waits for it. Returns what ``work`` returns. Raises ``OSError`` when there is no process or it dies.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()

    def end(number: int, _: object) -> None:
        os.kill(pid, signal.SIGKILL)  # an import may never end
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    # The signals are blocked until this process can kill the child: otherwise one could leave the child behind.
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
