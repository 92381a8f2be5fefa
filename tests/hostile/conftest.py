"""What a whole module of blocking tests has: their gateways need a backend that is there before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.threads import Recorder


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()
