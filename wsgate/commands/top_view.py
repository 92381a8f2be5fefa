"""The loop of ``wsgate top``: asks a gateway again and again, and draws when there is something new, or a key is typed.

Questions are asked in a thread, so that a gateway that does not answer holds neither the keys nor the end.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import trio
from rich.text import Text

from wsgate.commands.admin_client import AskError
from wsgate.commands.terminal import Terminal
from wsgate.commands.top_asking import FIRST, Asked
from wsgate.commands.top_orders import MOST, ORDERS, Order
from wsgate.commands.top_screen import View, screen

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*[@-~]|O?.)")  # what an arrow sends, for example (ECMA-48 §5.4)


class Shown(Protocol):
    """The terminal, or what takes its place in a test."""

    keys: int | None

    @property
    def size(self) -> tuple[int, int]: ...

    def enter(self) -> None: ...

    def leave(self) -> None: ...

    def draw(self, lines: Sequence[Text]) -> None: ...

    def read_keys(self) -> str: ...


def one_screen(
    address: str, filter: Mapping[str, str], ask: Asked, interval: float, size: tuple[int, int], order: Order = MOST
) -> Sequence[str]:
    """Returns the lines of one screen, with the rates of a moment. Raises ``AskError``."""
    before = ask(order)
    time.sleep(min(interval, FIRST))
    view = View(address, ask(order), before, filter, order)
    return [line.plain.rstrip() for line in screen(view, *size, keys=False)]


def watch(address: str, filter: Mapping[str, str], ask: Asked, interval: float, order: Order = MOST) -> int:
    """Shows a gateway in the terminal until q or a signal. Returns the exit status. Raises ``AskError`` at first."""
    first = View(address, ask(order), filter=filter, order=order)
    terminal = Terminal(sys.stdout, sys.stdin.fileno() if sys.stdin.isatty() else None)
    top = Top(terminal, first, ask, interval)
    return trio.run(top.run)


class Top:
    """A view that goes on until q is typed or a signal ends it.

    view: what is shown first
    interval: seconds between an answer and the next question
    clock: as that of snapshots
    """

    def __init__(
        self, terminal: Shown, view: View, ask: Asked, interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.view = view
        self._terminal = terminal
        self._ask = ask
        self._interval = interval
        self._clock = clock
        self._status = 0

    async def run(self) -> int:
        """Shows it, and leaves the terminal as it was. Returns the exit status."""
        # The signals are ours before the terminal is
        ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with trio.open_signal_receiver(*ends, signal.SIGTSTP, signal.SIGWINCH) as signals:
            self._terminal.enter()
            try:
                self._draw()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._ask_again)
                    if self._terminal.keys is not None:
                        nursery.start_soon(self._obey_keys, self._terminal.keys, nursery.cancel_scope)
                    await self._obey_signals(signals)
                    nursery.cancel_scope.cancel()
            finally:
                self._terminal.leave()
        return self._status

    async def _ask_again(self) -> None:
        wait = min(self._interval, FIRST)
        while True:
            await trio.sleep(wait)
            wait = self._interval
            view = self.view
            try:
                now = await trio.to_thread.run_sync(self._ask, view.order, abandon_on_cancel=True)
            except AskError as error:
                silence = self._clock() - view.now.at
                self.view = replace(self.view, trouble=str(error), silence=silence)
            else:
                self.view = replace(self.view, now=now, before=view.now, trouble="")
            self._draw()

    async def _obey_keys(self, keys: int, scope: trio.CancelScope) -> None:
        while True:
            await trio.lowlevel.wait_readable(keys)
            typed = self._terminal.read_keys()
            letters = _SEQUENCE.sub("", typed).lower()
            if not typed or "q" in letters:
                scope.cancel()
                return
            for order in ORDERS:
                if letters.endswith(order.key):
                    self.view = replace(self.view, order=order)
            self._draw()

    async def _obey_signals(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGTSTP:
                self._terminal.leave()
                os.kill(os.getpid(), signal.SIGSTOP)  # until the shell's fg
                self._terminal.enter()
            elif number != signal.SIGWINCH:
                self._status = 0 if number == signal.SIGINT else 128 + number
                return
            self._draw()

    def _draw(self) -> None:
        self._terminal.draw(screen(self.view, *self._terminal.size))
