"""requirements/: everything that is installed is pinned, by version and content, wherever it is downloaded from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LOCKS = ["run.txt", "build.txt", "all.txt", "sbom.txt", "dev.txt", "api.txt", "docs.txt", "kubernetes.txt", "dist.txt"]


def read(name: str) -> str:
    return (PROJECT / "requirements" / name).read_text()


def pins(name: str) -> dict[str, str]:
    """Package -> version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", read(name), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_a_version_and_hashes(name: str) -> None:
    text = re.sub(r"^ *#.*\n|\\\n", "", read(name), flags=re.MULTILINE)
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", line), line


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_says_where_to_download_from(name: str) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host", read(name))


def test_what_is_tested_is_what_is_shipped_and_built_with() -> None:
    assert pins("run.txt").items() | pins("build.txt").items() <= pins("dev.txt").items()


def test_the_locks_have_all_that_is_asked_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    asked = re.findall(r"^[\w.-]+", read("dev.in"), re.MULTILINE)
    for requirement in project["project"]["dependencies"] + project["build-system"]["requires"]:
        asked += re.findall(r"^[\w.-]+", requirement)
    assert {name.lower() for name in asked} <= pins("dev.txt").keys()
    assert set(re.findall(r"^[\w.-]+", read("api.in"), re.MULTILINE)) <= pins("api.txt").keys()


def test_what_two_locks_have_is_the_same() -> None:
    dev = pins("dev.txt")
    for other in pins("api.txt"), pins("all.txt"), pins("sbom.txt"):
        both = other.keys() & dev.keys()
        assert {name: other[name] for name in both} == {name: dev[name] for name in both}


def test_images_and_packages_have_every_extra() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {re.match(r"[\w.-]+", requirement)[0].lower() for extra in extras.values() for requirement in extra}  # type: ignore[index]
    assert wanted | pins("run.txt").keys() <= pins("all.txt").keys()
