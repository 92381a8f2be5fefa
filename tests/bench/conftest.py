"""The C programs, compiled once, and the backends, running."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def build(directory: Path, *words: str) -> None:
    subprocess.run(["make", "--silent", "-C", str(BENCH), f"BUILD={directory}", "CC=gcc", *words], check=True)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of ``load`` and ``backend``; a test that uses it needs gcc."""
    directory = tmp_path_factory.mktemp("bench")
    build(directory)
    return directory


@pytest.fixture
def roles(programs: Path) -> Iterator[dict[str, int]]:
    """The port of each of the backends' roles."""
    with subprocess.Popen([programs / "backend"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        words = process.stdout.readline().split()
        yield {role: int(port) for role, port in (word.split("=") for word in words[1:])}
        process.kill()
