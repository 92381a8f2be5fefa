"""Starts to end all sessions, spread over time.

A thousand clients whose sessions end at the same time reconnect at the same time. So each session gets a time slot of
its own, in random order, and a random time within it. A slot is at most ``SLOT`` long, so that a few sessions do not
take the whole spread.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import trio

from wsgate.gate.slots import Slots
from wsgate.relay.session import Session
from wsgate.settings.model import Drain, Settings

MARGIN = 10.0  # seconds after the end of the drain until a process that still runs is killed
SLOT = 0.1  # seconds, at most, between two sessions: ten reconnects a second are harmless


async def drain_sessions(sessions: Iterable[Session], drain: Drain) -> None:
    """Drains each of ``sessions``, over ``drain.spread`` seconds or less, more only if this process is held up.

    Returns when the last one has been told.
    """
    order = list(sessions)
    random.shuffle(order)  # not by age, or the oldest session would be the first at every restart
    slots = Slots(len(order), min(SLOT * len(order), drain.spread), trio.current_time())
    for session in order:
        await trio.sleep_until(slots.next(trio.current_time()))
        session.drain(drain.code)


def longest_drain(settings: Settings) -> float:
    """Returns the seconds after which a process that still drains must be stuck."""
    drain = settings.drain
    return drain.delay + drain.spread + drain.grace + MARGIN
