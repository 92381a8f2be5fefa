"""What one test starts and this ends again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from .running import Running, Start


@pytest.fixture
async def start(nursery: trio.Nursery) -> AsyncIterator[Start]:
    """``await start(**settings)``: a gateway that is ready; ``route`` has settings of its route."""
    made: list[Running] = []

    async def start(*, route: dict[str, Any] | None = None, has_file: bool = True, **settings: Any) -> Running:
        running = Running(settings, route or {}, has_file=has_file)
        made.append(running)
        nursery.start_soon(running.main)
        await running.ready.wait()
        return running

    yield start
    for running in made:
        running.reading.open()
        running.opening.open()
        await running.aclose()
