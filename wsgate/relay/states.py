"""The states of a leg: ``Input`` for reading from its peer, ``Output`` for writing to it.

A state only goes forward. ``advance`` makes a step and raises if ``STEPS`` does not allow it, which is a bug.
"""

from __future__ import annotations

import enum
from typing import TypeVar


class Input(enum.Enum):
    """The state of reading from the peer."""

    __hash__ = object.__hash__  # enum's own is a Python function, and each session would call it ten times

    OPEN = "open"  # the bytes are moved to the other leg
    OVER = "over"  # the peer has sent a Close, or broken a rule: further bytes are discarded
    EOF = "eof"  # nothing more can be read


class Output(enum.Enum):
    """The state of writing to the peer."""

    __hash__ = object.__hash__

    OPEN = "open"  # bytes from the other leg are written
    CLOSING = "closing"  # our Close waits for the end of the current frame
    SEALED = "sealed"  # the last output is written or pending: nothing may follow
    SHUT = "shut"  # FIN is sent
    BROKEN = "broken"  # the peer accepts nothing any more, or the gateway has given it up


# For those who compare states: before Python 3.12 looking up a member costs as much as a call, and a session compares
# states a hundred times
INPUT_OPEN, INPUT_OVER, INPUT_EOF = Input
OPEN, CLOSING, SEALED, SHUT, BROKEN = Output

State = TypeVar("State", Input, Output)

STEPS: dict[Input | Output, frozenset[Input | Output]] = {
    Input.OPEN: frozenset({Input.OVER, Input.EOF}),
    Input.OVER: frozenset({Input.EOF}),
    Input.EOF: frozenset(),
    # Directly to SEALED: for TCP, whose FIN needs no frame boundary, and for a Close at a frame boundary
    Output.OPEN: frozenset({Output.CLOSING, Output.SEALED, Output.BROKEN}),
    Output.CLOSING: frozenset({Output.SEALED, Output.BROKEN}),
    Output.SEALED: frozenset({Output.SHUT, Output.BROKEN}),
    Output.SHUT: frozenset({Output.BROKEN}),
    Output.BROKEN: frozenset(),
}


def advance(now: State, to: State) -> State:
    """Returns ``to``. Raises ``AssertionError`` when ``STEPS`` does not allow the step from ``now``."""
    if to not in STEPS[now]:
        raise AssertionError(f"a leg's {type(now).__name__.lower()} cannot go from {now.value} to {to.value}")
    return to
