"""Provides the suite: in an environment of its own for Python 2.7, made once, or by the suite's Docker image.

Every release of the suite needs Python 2.7. Nothing is installed into that interpreter: the environment is in the
cache, with a stamp of the pins and the interpreter from which it was made. It is made again when these change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).resolve().parent / "suite"
IMAGE = "crossbario/autobahn-testsuite:25.10.1"

_INSTALL_DEADLINE = 600.0  # seconds; it takes about 25 with an empty cache of pip's


class NoSuite(Exception):
    """The suite is not available; the message says what is missing."""


@dataclass(frozen=True)
class Suite:
    """How to run ``suite/wstest.py``. ``source`` tells a reader of the report where the suite came from."""

    source: str
    _command: tuple[str, ...]

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self._command, *map(str, arguments)]


def cache() -> Path:
    """A cache directory outside of every source tree: ``.cache/`` in the project, or the user's."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home) / "wsgate" if home else PROJECT / ".cache"


def install(reports: Path) -> Suite:
    """The suite, installed if it is not. It may write below ``reports``. Raises ``NoSuite``."""
    driver = FILES / "wstest.py"
    python = next((path for path in _candidates() if _is_python27(path)), None)
    if python is not None:
        target = cache() / "autobahn"
        _make_environment(python, target)
        return Suite(f"pins in tests/conformance/suite, {_version(python)}", (str(target / "bin/python"), str(driver)))
    if _docker_answers():
        user = f"{os.getuid()}:{os.getgid()}"
        mounts = [f"--volume={FILES}:{FILES}:ro", f"--volume={reports}:{reports}"]
        run = ("docker", "run", "--rm", "--init", "--network=host", f"--user={user}", *mounts, IMAGE)
        return Suite(f"image {IMAGE}", (*run, "python", str(driver)))
    raise NoSuite(
        "the Autobahn suite needs CPython 2.7 (with ssl, zlib and its headers, and a C compiler) or a Docker engine; "
        "set PYTHON27 to an interpreter, have one as python2.7 or in pyenv, or start Docker"
    )


def _candidates() -> Iterator[str]:
    yield os.environ.get("PYTHON27", "")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob("versions/2.7.*/bin/python2.7"), reverse=True))
    yield shutil.which("python2.7") or ""


def _is_python27(path: str) -> bool:
    if not path:
        return False
    facts = "import platform, ssl, sys, zlib; print(platform.python_implementation() + sys.version[:3])"
    done = subprocess.run([path, "-c", facts], capture_output=True, check=False)
    return done.stdout.strip() == b"CPython2.7"


def _version(python: str) -> str:
    return _run([python, "-c", "import platform; print('CPython ' + platform.python_version())"]).strip()


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


def _make_environment(python: str, target: Path) -> None:
    locks = [FILES / "suite.lock", FILES / "virtualenv.lock"]
    wanted = hashlib.sha256(b"".join([python.encode(), *(lock.read_bytes() for lock in locks)])).hexdigest()
    stamp = target / "installed-from"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(target, ignore_errors=True)
    pip = ["-m", "pip", "install", "--quiet", "--require-hashes"]
    with tempfile.TemporaryDirectory() as boot:
        _run([python, *pip, "--target", boot, "-r", str(locks[1])])
        # --no-download: it brings a pip and a setuptools of the right age with it
        _run([python, "-m", "virtualenv", "--quiet", "--no-download", str(target)], PYTHONPATH=boot)
    # --no-build-isolation: nothing that is not pinned is downloaded to build the few packages without a wheel
    ours = str(target / "bin/python")
    _run([ours, *pip, "--no-deps", "--no-build-isolation", "-r", str(locks[0])])
    _run([ours, "-m", "pip", "check"])
    # without these two it masks and validates in pure Python, and the timeouts of its larger cases run out
    _run([ours, "-c", "import wsaccel.utf8validator, wsaccel.xormask"])
    stamp.write_text(wanted)


def _run(command: Sequence[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_INSTALL_DEADLINE,
        check=False,
    )
    if done.returncode:
        raise NoSuite(f"cannot install the Autobahn suite: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
