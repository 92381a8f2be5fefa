"""Which sessions are moved to backends that are new or have come back, without I/O or clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """A backend that takes sessions.

    sessions: how many it has, or will have soon, in all workers
    weight: its share, beside those of the others
    room: how many more it may have, if it is new and sessions may be moved to it; otherwise 0
    here: how many of its sessions this worker may move away
    """

    sessions: int
    weight: float
    room: float = 0
    here: float = math.inf


@dataclass(frozen=True, slots=True)
class Moves:
    """What is done in one step, for each of the backends.

    taken: how many of its sessions are moved away
    given: how many should come to it
    is_complete: it has its share, with what is given now
    """

    taken: Sequence[int]
    given: Sequence[int]
    is_complete: Sequence[bool]


def plan(loads: Sequence[Load], most: int, part: float = 1.0) -> Moves:
    """Returns the next moves.

    Each new backend should get its share of all sessions, by weight. They come from those that have the most sessions
    for their weight, and no backend is left with less than its own share.

    most: sessions that may be moved now
    part: of all moves, those that this worker makes
    """
    total = sum(load.sessions for load in loads)
    weights = sum(load.weight for load in loads)
    shares = [total * load.weight / weights for load in loads]
    lacking = [max(0, math.floor(share) - load.sessions) for share, load in zip(shares, loads, strict=True)]
    wanted = [math.ceil(min(lack, load.room) * part) for lack, load in zip(lacking, loads, strict=True)]
    taken = [0] * len(loads)
    fullest = [
        (-load.sessions / load.weight, index, min(load.here, load.sessions - math.ceil(share)))
        for index, (share, load) in enumerate(zip(shares, loads, strict=True))
    ]
    fullest = [each for each in fullest if each[2] > 0]
    heapq.heapify(fullest)
    for _ in range(min(most, sum(wanted))):
        if not fullest:
            break
        fullness, index, surplus = fullest[0]
        taken[index] += 1
        if surplus > 1:
            heapq.heapreplace(fullest, (fullness + 1 / loads[index].weight, index, surplus - 1))
        else:
            heapq.heappop(fullest)
    given = _shared_out(sum(taken), wanted)
    return Moves(taken, given, [lack * part <= gets for lack, gets in zip(lacking, given, strict=True)])


def _shared_out(number: int, wanted: Sequence[int]) -> list[int]:
    """Shares ``number`` out, in proportion to what is wanted; it is not more than all of that."""
    given = [0] * len(wanted)
    open_ = sum(wanted)
    for index, want in enumerate(wanted):
        if want:
            given[index] = round(number * want / open_)
            number -= given[index]
            open_ -= want
    return given
