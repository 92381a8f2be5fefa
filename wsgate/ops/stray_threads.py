"""Threads of an operator's own code that outlive the gateway.

Python waits at its exit for every thread that is no daemon: those of a plugin's pool, in a call that hangs, would keep
a process that has stopped for ever. Workers need none of this: they end without Python's exit.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection

from wsgate.events.emit import emit

PATIENCE = 5.0  # seconds that such threads have to end by themselves


def bound_exit(status: int, before: Collection[threading.Thread]) -> None:
    """Called when the gateway has stopped, and nothing is left but Python's exit: where threads would hold that up, the
    process ends in ``PATIENCE`` seconds all the same, with this status.

    before: the threads that were there before the gateway began; they are their owner's
    """
    stray = [thread.name for thread in threading.enumerate() if not thread.daemon and thread not in before]
    if stray:
        emit(logging.INFO, "threads go on", threads=stray, reason=f"a plugin's: they have {PATIENCE:g} s to end")
        threading.Thread(target=_end, args=(status,), name="end", daemon=True).start()


def _end(status: int) -> None:
    time.sleep(PATIENCE)
    os._exit(status)
