"""The terminal of a view that fills it: its screen, its keys, and how it was before."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import TextIO

from rich.console import Console, ConsoleDimensions, Group
from rich.text import Text


class Terminal:
    """A terminal; what it shows while it is not entered is its own.

    out: where the screen is drawn
    keys: where keys are read, without waiting for a whole line; ``None``: nowhere
    """

    def __init__(self, out: TextIO = sys.stdout, keys: int | None = None) -> None:
        self.keys = keys
        self._out = out
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._entered = ExitStack()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in cells, now."""
        width, height = os.get_terminal_size(self._out.fileno())
        return width or 80, height or 24  # some terminals do not know it

    def enter(self) -> None:
        """Takes the whole screen, without a cursor; keys come at once and are not echoed. Ctrl-C stays a signal."""
        if self.keys is not None:
            before = termios.tcgetattr(self.keys)
            self._entered.callback(termios.tcsetattr, self.keys, termios.TCSADRAIN, before)
            tty.setcbreak(self.keys)
        self._entered.enter_context(self._console.screen(hide_cursor=True))

    def leave(self) -> None:
        """Leaves the terminal as it was before ``enter``."""
        with suppress(OSError, termios.error):  # it may be gone
            self._entered.close()

    def draw(self, lines: Sequence[Text]) -> None:
        """Shows lines, as many as the terminal has and none longer than it is wide."""
        self._console.size = ConsoleDimensions(*self.size)  # of its own it would ask another stream
        self._console.update_screen(Group(*lines))

    def read_keys(self) -> str:
        """Returns what was typed; empty where the terminal is gone. Waits if nothing was."""
        assert self.keys is not None
        try:
            typed = os.read(self.keys, 1024)
        except OSError:  # EIO: hung up
            return ""
        return typed.decode("latin-1")
