"""The composition root: from settings to a running process. Nothing below imports it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Sequence

import trio

from wsgate.gate.account import emit
from wsgate.gate.gateway import Gateway
from wsgate.ops.lifecycle import run
from wsgate.ops.listeners import ListenError, open_listeners
from wsgate.ops.log import set_up
from wsgate.settings.model import Address, Settings
from wsgate.wire import kernel


def serve(
    settings: Settings,
    *,
    ready: Callable[[list[Address]], None] = lambda bound: None,
    beside: Sequence[Callable[[], Awaitable[None]]] = (),
) -> int:
    """Run the gateway until it is told to stop.

    ready: called when connections are being accepted, with the addresses that were bound
    beside: tasks that run as long as the gateway does

    Returns the exit status: 1 if it cannot listen or had to cut sessions.
    """
    set_up(settings.log)
    emit(logging.DEBUG, "kernel", status=kernel.STATUS)
    try:
        sockets = open_listeners(settings.listeners)
    except ListenError as error:
        print(f"wsgate: {error}", file=sys.stderr)
        return 1

    async def main() -> int:
        async with trio.open_nursery() as nursery:
            for task in beside:
                nursery.start_soon(task)
            status = await run(Gateway(settings), sockets, ready=ready)
            nursery.cancel_scope.cancel()
        return status

    return trio.run(main)
