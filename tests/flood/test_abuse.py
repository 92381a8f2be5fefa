"""Good clients lose nothing beside bad ones; how long they wait is measured by ``python -m tests.flood.abuse``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .abuse import abused_gateway, run


def test_good_clients_beside_bad_ones(tmp_path: Path) -> None:
    with abused_gateway(tmp_path) as gateway:
        (result,), good = asyncio.run(run(gateway, rounds=1, seconds=2, good=10, bad=250))
        assert good.faults == []
        assert result.abuse.messages
        assert result.abuse.newcomers
