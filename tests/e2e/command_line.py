"""A gateway that one line starts: ``wsgate tunnel``, ``wsgate relay``."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from .gateway import COMMAND, ENVIRONMENT

DEADLINE = 20.0  # seconds for a test


@dataclass
class Running:
    """A gateway that has printed where it listens."""

    process: trio.Process
    said: str

    def url(self, path: str = "/", scheme: str = "ws") -> str:
        found = re.search(r"://localhost:([0-9]+)/|://127.0.0.1:([0-9]+)/", self.said)
        assert found, self.said
        return f"{scheme}://localhost:{found[1] or found[2]}{path}"

    @property
    def port(self) -> int:
        return int(self.url().split(":")[2].partition("/")[0])


Start = Callable[..., Awaitable[Running]]


@contextlib.asynccontextmanager
async def starting(tmp_path: Path, command: str) -> AsyncIterator[Start]:
    """``await start(*flags)`` runs the command in the test's directory; it must end well."""
    started: list[trio.Process] = []

    async def start(*flags: str) -> Running:
        with (tmp_path / "stderr").open("ab") as errors:
            process = await trio.lowlevel.open_process(
                [*COMMAND, command, *flags],
                cwd=tmp_path,
                env={**ENVIRONMENT, "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}{os.pathsep}{tmp_path}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        started.append(process)
        assert process.stdout is not None
        said = b""
        while not said.endswith(b"\n"):
            chunk = await process.stdout.receive_some()
            assert chunk, (tmp_path / "stderr").read_text()
            said += chunk
        return Running(process, said.decode())

    try:
        with trio.fail_after(DEADLINE):
            yield start
            for process in started:
                process.terminate()
                assert await process.wait() == 0, (tmp_path / "stderr").read_text()
            assert "Traceback" not in (tmp_path / "stderr").read_text()
    finally:
        with trio.CancelScope(shield=True):
            for process in started:
                process.kill()
                await process.wait()
                assert process.stdout is not None
                await process.stdout.aclose()
