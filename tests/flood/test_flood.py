"""Each flood until the others were served a few times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .floods import FLOODS
from .run import FloodedGateway, flooded_gateway

ENOUGH = 3  # messages, new clients, and passwords


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FloodedGateway]:
    with flooded_gateway(tmp_path_factory.mktemp("flood")) as gateway:
        yield gateway


@pytest.mark.parametrize("name", FLOODS)
def test_the_others_are_served(gateway: FloodedGateway, name: str) -> None:
    """A session goes on, new clients get one, and a client with the right password is admitted; then everything is as
    before."""
    gateway.flood(name, lambda outcome: outcome.served < ENOUGH)
