"""Ends the process although threads of a plugin still run.

At its exit Python waits for every thread that is no daemon. A plugin's thread that hangs would keep the stopped process
alive for ever. Workers do not need this: they end without Python's exit.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection

from wsgate.events.emit import emit

PATIENCE = 5.0  # seconds that such threads get to end by themselves


def bound_exit(status: int, before: Collection[threading.Thread]) -> None:
    """Ends the process in ``PATIENCE`` seconds if threads would delay its exit. Called when the gateway has stopped.

    status: of the process
    before: the threads that ran before the gateway started; they do not count
    """
    stray = [thread.name for thread in threading.enumerate() if not thread.daemon and thread not in before]
    if stray:
        emit(logging.INFO, "threads go on", threads=stray, reason=f"a plugin's: they have {PATIENCE:g} s to end")
        threading.Thread(target=_end, args=(status,), name="end", daemon=True).start()


def _end(status: int) -> None:
    time.sleep(PATIENCE)
    os._exit(status)
