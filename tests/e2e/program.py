"""Backends that are programs of their own: they say in their first line that they are ready, and often where."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from .gateway import ENVIRONMENT, START_DEADLINE

StartProgram = Callable[..., Awaitable[str]]  # the fixture ``start_program``


@asynccontextmanager
async def starting() -> AsyncIterator[StartProgram]:
    """Yields a function that runs a command and returns its first line. All of them are killed at the end."""
    processes: list[trio.Process] = []

    async def start(*command: str) -> str:
        process = await trio.lowlevel.open_process(command, env=ENVIRONMENT, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        line = b""
        with trio.fail_after(START_DEADLINE):
            while not line.endswith(b"\n"):
                data = await process.stdout.receive_some()
                assert data, f"{command} did not start"
                line += data
        return line.decode().strip()

    try:
        yield start
    finally:
        with trio.CancelScope(shield=True):
            for process in processes:
                process.kill()
                await process.wait()
                assert process.stdout is not None
                await process.stdout.aclose()
