"""``wsgate top`` in a pseudo-terminal, with a real gateway."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from .gateway import COMMAND, ENVIRONMENT, OpenClient, StartGateway, relay
from .library import Serve, echo

# Makes the pseudo-terminal that of the command, so that Ctrl-C there is a signal for it
IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
PATIENCE = 20.0


class InTerminal:
    """A command in a pseudo-terminal. shown: all that it has written"""

    def __init__(self, process: trio.Process, master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def wait_for(self, text: str) -> None:
        """Waits until a text is written, behind all that was waited for before."""
        with trio.fail_after(PATIENCE):
            while text not in self.shown:
                await trio.lowlevel.wait_readable(self._master)
                self.shown += os.read(self._master, 1 << 16).decode(errors="replace")
        self.shown = self.shown.partition(text)[2]


@asynccontextmanager
async def in_terminal(*arguments: str) -> AsyncIterator[InTerminal]:
    """Runs wsgate in a terminal of 100 columns and 20 lines, which must be left as it was."""
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", IN_TERMINAL, *map(str, COMMAND), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**ENVIRONMENT, "TERM": "xterm-256color"},
        )
        try:
            yield InTerminal(process, master)
            with trio.fail_after(PATIENCE):
                await process.wait()
        finally:
            process.kill()
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("key", ["q", "\x03"])
async def test_a_live_view(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, tmp_path: Path, key: str
) -> None:
    port, sock = await serve(echo), tmp_path / "admin.sock"
    gateway = await start_gateway(relay(port), admin={"bind": f"unix:{sock}", "mode": "0600"})
    client = await open_client(gateway)
    await client.upgrade()
    async with in_terminal("top", "--admin", f"unix:{sock}", "--interval", "100ms") as terminal:
        await terminal.wait_for("\x1b[?1049h")
        await terminal.wait_for("ready")
        await terminal.wait_for("1 session")
        await terminal.wait_for(f"ws://127.0.0.1:{port}")
        await terminal.wait_for(client.address)
        terminal.type("s")
        terminal.resize(60, 12)
        await terminal.wait_for("\x1b[12;1H")
        await client.stream.aclose()
        await terminal.wait_for("0 sessions")
        gateway.process.terminate()
        await terminal.wait_for("no answer for")
        await terminal.wait_for(f"no answer from unix:{sock}"[:40])
        terminal.type(key)
        await terminal.wait_for("\x1b[?1049l\x1b[?25h")
    assert terminal.process.returncode == 0


async def test_without_a_terminal(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    port, sock = await serve(echo), tmp_path / "admin.sock"
    await start_gateway(relay(port), admin={"bind": f"unix:{sock}", "mode": "0600"})
    done = await trio.run_process(
        [*COMMAND, "top", "--admin", f"unix:{sock}", "--interval", "100ms"],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
    )
    lines = done.stdout.decode().splitlines()
    assert "ready  0 sessions" in lines[0]
    assert lines[-1] == "no sessions"
    assert "\x1b" not in done.stdout.decode()
