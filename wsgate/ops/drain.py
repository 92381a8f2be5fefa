"""How sessions are told to end: not all at once.

A thousand clients that are closed in one moment come back in one moment. So each session has a slot of its own in the
spread, in random order, and a random place in it. The slot is never longer than ``SLOT``: a few sessions need not wait
for a spread that is meant for a herd.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import trio

from wsgate.relay.session import Session
from wsgate.settings.model import Drain, Settings

MARGIN = 10.0  # seconds more than they were given, for processes to end before they are killed
SLOT = 0.1  # seconds, at most, between two sessions: ten a second are no herd


async def tell(sessions: Iterable[Session], drain: Drain) -> None:
    """Tell each of ``sessions``, over ``drain.spread`` or less. Returns when the last one has been told."""
    order = list(sessions)
    random.shuffle(order)  # not by age: the oldest would be told first at every deploy
    began = trio.current_time()
    slot = min(SLOT, drain.spread / len(order)) if order else 0.0
    for place, session in enumerate(order):
        await trio.sleep_until(began + slot * (place + random.random()))
        session.drain(drain.code)


def longest_drain(settings: Settings) -> float:
    """Seconds after which whoever still drains is stuck."""
    drain = settings.drain
    return drain.delay + drain.spread + drain.grace + MARGIN
