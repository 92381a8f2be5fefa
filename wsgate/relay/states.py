"""The states of a leg: one for what is read from its peer, one for what is written to it.

Each goes forward only. ``advance`` makes a step; one that ``STEPS`` does not have is a bug of ours, and says so.
"""

from __future__ import annotations

import enum
from typing import TypeVar


class Input(enum.Enum):
    """What is read from the peer."""

    __hash__ = object.__hash__  # enum's own is Python's: ten of them for each session

    OPEN = "open"  # it is moved to the other leg
    OVER = "over"  # the peer has said its last word, or broken a rule: what still comes is thrown away
    EOF = "eof"  # nothing more can be read


class Output(enum.Enum):
    """What is written to the peer."""

    __hash__ = object.__hash__

    OPEN = "open"  # whatever the other leg gives
    CLOSING = "closing"  # our Close waits for the end of the frame that is under way
    SEALED = "sealed"  # our last word is behind all other output: nothing may follow
    SHUT = "shut"  # FIN is sent
    BROKEN = "broken"  # the peer takes nothing any more, or we have given it up


State = TypeVar("State", Input, Output)

STEPS: dict[Input | Output, frozenset[Input | Output]] = {
    Input.OPEN: frozenset({Input.OVER, Input.EOF}),
    Input.OVER: frozenset({Input.EOF}),
    Input.EOF: frozenset(),
    # Straight to SEALED: TCP's last word is FIN, which needs no boundary; nor does a Close at one
    Output.OPEN: frozenset({Output.CLOSING, Output.SEALED, Output.BROKEN}),
    Output.CLOSING: frozenset({Output.SEALED, Output.BROKEN}),
    Output.SEALED: frozenset({Output.SHUT, Output.BROKEN}),
    Output.SHUT: frozenset({Output.BROKEN}),
    Output.BROKEN: frozenset(),
}


def advance(now: State, to: State) -> State:
    """``to``, where ``now`` may be followed by it. Raises ``AssertionError`` where it may not."""
    if to not in STEPS[now]:
        raise AssertionError(f"a leg's {type(now).__name__.lower()} cannot go from {now.value} to {to.value}")
    return to
