"""The TCP services of the tunnel tests, as Debian packages them, each started for one test."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import trio

from tests.programs import find

START_DEADLINE = 10.0  # seconds


async def start(nursery: trio.Nursery, program: str, arguments: Sequence[str | Path], *, ready: bytes) -> None:
    """Runs a server until the nursery is cancelled; returns when its output has ``ready``."""
    path = find(program)
    assert path is not None, f"a test that uses {program} is marked with needs({program!r})"
    process = await trio.lowlevel.open_process(
        [path, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    started = trio.Event()
    output = bytearray()

    async def follow() -> None:
        assert process.stdout is not None
        try:
            async for chunk in process.stdout:
                output.extend(chunk)
                if ready in output:
                    started.set()
            raise AssertionError(f"{program} ended:\n{output.decode(errors='replace')}")
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()

    nursery.start_soon(follow)
    with trio.fail_after(START_DEADLINE):
        await started.wait()
