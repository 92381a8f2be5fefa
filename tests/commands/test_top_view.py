from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence

import pytest
import trio
from rich.text import Text

from tests.commands.top import session, snapshot
from wsgate.commands import top_asking
from wsgate.commands.admin_client import AskError
from wsgate.commands.snapshot import Snapshot
from wsgate.commands.top_orders import Order
from wsgate.commands.top_screen import View
from wsgate.commands.top_view import Top, one_screen


class FakeTerminal:
    """A terminal whose keys come from a pipe. steps: what was done with it, each screen by its first two lines"""

    def __init__(self) -> None:
        self.keys: int | None
        self.keys, self.typing = os.pipe()
        self.size = (80, 10)
        self.steps: list[str] = []
        self.drawn = trio.Event()

    def enter(self) -> None:
        self.steps.append("enter")

    def leave(self) -> None:
        self.steps.append("leave")

    def draw(self, lines: Sequence[Text]) -> None:
        self.steps.append(" / ".join(line.plain.rstrip() for line in lines))
        self.drawn.set()
        self.drawn = trio.Event()

    def read_keys(self) -> str:
        assert self.keys is not None
        return os.read(self.keys, 100).decode()

    def type(self, text: str) -> None:
        os.write(self.typing, text.encode())


@pytest.fixture
def terminal() -> Iterator[FakeTerminal]:
    terminal = FakeTerminal()
    keys = terminal.keys
    assert keys is not None
    yield terminal
    os.close(keys)
    if terminal.typing >= 0:
        os.close(terminal.typing)


FIRST = View("unix:/a", snapshot(0.0, session("1"), session("2", bytes_up=1)))
LATER = snapshot(2.0, session("1", bytes_up=4096), session("2", bytes_up=1))


def once(*answers: Snapshot | AskError) -> Callable[[Order], Snapshot]:
    """Returns what gives these answers, and then the last one again and again."""
    left = list(answers)

    def ask(order: Order) -> Snapshot:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, AskError):
            raise answer
        return answer

    return ask


async def drawn(terminal: FakeTerminal, part: str) -> None:
    """Waits for a screen with this in it."""
    with trio.fail_after(10):
        while not any(part in step for step in terminal.steps[-1:]):
            await terminal.drawn.wait()


async def test_it_is_drawn_again_with_each_answer(terminal: FakeTerminal, nursery: trio.Nursery) -> None:
    away = AskError("no answer from unix:/a: gone")
    top = Top(terminal, FIRST, once(LATER, away), 0.01, clock=lambda: 67.0)
    nursery.start_soon(top.run)
    await drawn(terminal, "no answer for 1m05s  2 sessions")
    screens = [step for step in terminal.steps if step.startswith("wsgate")]
    assert "-/s" in screens[0]
    assert "2.0 KiB/s" in screens[1]
    assert "no answer from unix:/a: gone" in screens[2]
    nursery.cancel_scope.cancel()


async def test_keys(terminal: FakeTerminal) -> None:
    top = Top(terminal, FIRST, once(LATER), 3600)
    status: list[int] = []

    async def run() -> None:
        status.append(await top.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await drawn(terminal, "2 sessions")
        terminal.type("\x1b[d")  # an arrow with shift
        terminal.type("U")
        with trio.fail_after(10):
            while top.view.order.key != "u":
                await terminal.drawn.wait()
        terminal.type("?")
        terminal.type("q")
    assert status == [0]
    assert terminal.steps[-1] == "leave"
    assert terminal.steps.count("enter") == 1


async def test_the_end_of_the_terminal_is_the_end(terminal: FakeTerminal) -> None:
    top = Top(terminal, FIRST, once(LATER), 3600)
    os.close(terminal.typing)
    terminal.typing = -1
    with trio.fail_after(10):
        assert await top.run() == 0
    assert terminal.steps[-1] == "leave"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_signals_end_it(terminal: FakeTerminal, number: int, status: int) -> None:
    terminal.keys, keys = None, terminal.keys
    top = Top(terminal, FIRST, once(LATER), 3600)
    found: list[int] = []

    async def run() -> None:
        found.append(await top.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await drawn(terminal, "2 sessions")
        terminal.size = (40, 3)
        os.kill(os.getpid(), signal.SIGWINCH)
        with trio.fail_after(10):
            while terminal.steps[-1].count(" / ") != 2:
                await terminal.drawn.wait()
        os.kill(os.getpid(), number)
    terminal.keys = keys
    assert found == [status]
    assert terminal.steps[-1] == "leave"


async def test_a_stop_gives_the_terminal_back(
    terminal: FakeTerminal, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    nursery.start_soon(Top(terminal, FIRST, once(LATER), 3600).run)
    await drawn(terminal, "2 sessions")
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, number: terminal.steps.append(signal.Signals(number).name))
    kill(os.getpid(), signal.SIGTSTP)
    with trio.fail_after(10):
        await terminal.drawn.wait()
    assert terminal.steps[2:5] == ["leave", "SIGSTOP", "enter"]
    nursery.cancel_scope.cancel()


def test_one_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    lines = one_screen("unix:/a", {}, once(FIRST.now, LATER), 2.0, (80, 24))
    assert waits == [top_asking.FIRST]
    assert lines[1].startswith("up  2.0 KiB/s ")
    assert lines[-1].startswith("2  ")
