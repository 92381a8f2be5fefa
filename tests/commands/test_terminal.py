from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator

import pytest
from rich.text import Text

from wsgate.commands.terminal import Terminal


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The master and the slave of a pseudo-terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 20, 0, 0))
    yield master, slave
    os.close(slave)
    os.close(master)


def test_it_is_left_as_it_was(pseudo: tuple[int, int]) -> None:
    master, slave = pseudo
    before = termios.tcgetattr(slave)
    with open(slave, "w", closefd=False) as out:
        terminal = Terminal(out, slave)
        for _ in range(2):
            terminal.enter()
            within = termios.tcgetattr(slave)
            assert not within[3] & (termios.ECHO | termios.ICANON)
            assert within[3] & termios.ISIG
            terminal.draw([Text("first"), Text("second")])
            os.write(master, b"u")
            assert terminal.read_keys() == "u"
            terminal.leave()
            assert termios.tcgetattr(slave) == before
    drawn = ""
    while drawn.count("\x1b[?25h") < 2:  # the kernel passes it on in pieces
        drawn += os.read(master, 1 << 16).decode()
    assert drawn.count("\x1b[?1049h") == drawn.count("\x1b[?1049l") == 2
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h") == 2
    assert "\x1b[1;1Hfirst" in drawn
    assert drawn.endswith("\x1b[?25h")


def test_keys_of_a_terminal_that_is_gone() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    assert Terminal(keys=reading).read_keys() == ""
    os.close(reading)
    assert Terminal(keys=reading).read_keys() == ""
