"""The programs of one run, each a process of its own that ends with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from ..e2e.gateway_process import running
from .install import PROJECT

_START_DEADLINE = 30.0  # seconds
_STOP_DEADLINE = 20.0  # seconds

_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


class RunError(Exception):
    """A program of a run has failed; the message helps to find out why."""


@asynccontextmanager
async def process(command: Sequence[str], log: Path, **options: Any) -> AsyncIterator[trio.Process]:
    """A running program, its stderr in ``log``. It is ended with the block."""
    with log.open("wb") as file:
        running = await trio.lowlevel.open_process(
            list(command), env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=file, **options
        )
    try:
        yield running
    finally:
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_STOP_DEADLINE):
                running.terminate()
                await running.wait()
            running.kill()
            await running.wait()
            if running.stdout is not None:
                await running.stdout.aclose()


@asynccontextmanager
async def echo(module: str, directory: Path) -> AsyncIterator[int]:
    """An echo of this package; its port."""
    command = [sys.executable, "-m", f"tests.conformance.{module}"]
    async with process(command, directory / f"{module}.log", stdout=subprocess.PIPE, cwd=PROJECT) as running:
        assert running.stdout is not None
        line = b""
        with trio.move_on_after(_START_DEADLINE):
            while not line.endswith(b"\n") and (chunk := await running.stdout.receive_some()):
                line += chunk
        if not line.endswith(b"\n"):
            raise RunError(f"{module} did not start: see {directory}")
        yield int(line)


@contextmanager
def gateway(action: dict[str, Any], directory: Path) -> Iterator[int]:
    """Runs the gateway with one route. Yields its port.

    Raises ``RunError`` when it does not start, ends with an error, or logs a bug.
    """
    try:
        with running(directory, {"name": "conformance", **action}) as process:
            yield process.port
    except AssertionError as error:
        raise RunError(f"the gateway: {error}: see {directory}") from None


async def wait_listening(port: int, running: trio.Process) -> None:
    """Wait until a program listens on a port."""
    with trio.move_on_after(_START_DEADLINE):
        while running.poll() is None:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.05)
            else:
                await stream.aclose()
                return
    raise RunError(f"nothing listens on port {port}")
