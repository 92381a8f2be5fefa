"""Sessions that are ended so that their clients come back to another gateway: a share of all, evenly over a time.

For gateways behind a balancer, when one is added: this one cannot choose where a client comes back, the balancer does.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

import trio

from wsgate.events.emit import emit
from wsgate.gate.slots import Slots
from wsgate.relay.registry import Registry

LONGEST = 86400.0  # seconds over which sessions may be moved


class SessionMoves:
    """What this process was asked for last.

    asked: set, and replaced by another event, when it is asked
    """

    def __init__(self) -> None:
        self.asked = trio.Event()
        self._move: tuple[Sequence[str], float] | None = None

    def ask(self, ids: Sequence[str], over: float) -> None:
        """Moves the sessions with these ids within ``over`` seconds, and ends the move that is under way."""
        self._move = ids, over
        asked, self.asked = self.asked, trio.Event()
        asked.set()

    def take(self) -> tuple[Sequence[str], float] | None:
        """Returns the ids and the seconds that were asked for last, once; ``None`` if there is nothing new."""
        move, self._move = self._move, None
        return move


def sample(ids: Sequence[str], share: float) -> list[str]:
    """Returns some of these at random.

    share: how many of them, in per cent. Parts of one are rounded up or down by chance, so that of several workers with
        few sessions each it is right in the mean.
    """
    number = int(len(ids) * share / 100 + random.random())
    return random.sample(ids, min(number, len(ids)))


async def watch(moves: SessionMoves, sessions: Registry) -> None:
    """Moves sessions whenever it is asked for, until cancelled."""
    while True:
        asked = moves.asked
        move = moves.take()
        if move is None:
            await asked.wait()
            continue
        ids, over = move
        if ids:
            emit(logging.WARNING, "sessions move", sessions=len(ids), over=over)
            told = await _move(sessions, ids, over, asked)
            emit(logging.WARNING, "sessions moved", sessions=told, left=len(ids) - told)


async def _move(sessions: Registry, ids: Sequence[str], over: float, other: trio.Event) -> int:
    """Ends sessions in their order, each within a time of its own and at random in it, until another move is asked for.

    Returns how many there still were.
    """
    slots, told = Slots(len(ids), over, trio.current_time()), 0
    for id in ids:
        with trio.move_on_at(slots.next(trio.current_time())):
            await other.wait()
        if other.is_set():
            break
        session = sessions.get(id)
        if session is not None and session.is_open:
            session.move("the gateway gives a part of its sessions away")
            told += 1
    return told
