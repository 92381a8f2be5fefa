"""What a wheel has: the types of the compiled modules are in it, their C is not."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_PACKAGED = ("wsgate/", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in a wheel that is built from what git would give a clone."""
    directory = tmp_path_factory.mktemp("package")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(_PACKAGED) and (PROJECT / name).exists():
            target = directory / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((PROJECT / name).read_bytes())
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(
        [*wheel, "--no-build-isolation", "--wheel-dir", str(directory), str(directory / "source")], check=True
    )
    (built,) = directory.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_compiled_modules_come_with_their_types(names: set[str]) -> None:
    types = {name.relative_to(PROJECT).as_posix() for name in (PROJECT / "wsgate").rglob("*.pyi")}
    assert types
    assert types | {"wsgate/py.typed", "wsgate/demo/site/index.html", "wsgate/commands/completions/_wsgate"} <= names


def test_nothing_is_shipped_that_is_not_used(names: set[str]) -> None:
    assert {Path(name).suffix for name in names if name.startswith("wsgate/")}.isdisjoint({".c", ".h", ".pyc"})
