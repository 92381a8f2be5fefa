"""Builds what a release consists of, into dist/: ``make dist``. ``make dist-check`` installs it in each way promised.

A source distribution, and a wheel for each Python that is given. The wheels have the compiled kernel and are for any
Linux with a glibc of their tag or a newer one (auditwheel finds which); everybody else gets the source, which needs no
compiler. SHA256SUMS has the sums of all, to be signed (docs/releasing.md).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
SUMS = "SHA256SUMS"
_NO_COMPILER = "/nonexistent"
_KERNEL = "from wsgate.wire import kernel; print(kernel.STATUS)"
_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


class DistError(Exception):
    """What was built, or how it installs, is wrong."""


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, cwd=ROOT, timeout=600
    )
    if done.returncode:
        raise DistError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def environment(python: str | Path, directory: Path, *requirements: str) -> Path:
    """Makes an environment. Returns its Python."""
    run(python, "-m", "venv", directory)
    found = directory / "bin" / "python"
    for file in requirements:
        run(found, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes", "-r", file)
    return found


def build(pythons: Sequence[str], tools: Path) -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    # the same commit gives the same archives
    date = {"SOURCE_DATE_EPOCH": run("git", "log", "-1", "--format=%ct")}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        tree = work / "tree"
        run("git", "worktree", "add", "--detach", tree, "HEAD")
        try:
            for number, python in enumerate(pythons):
                own = environment(python, work / f"python{number}", "requirements/build.txt")
                if not number:
                    subprocess.run(
                        [own, "-c", _SDIST, DIST],
                        check=True,
                        cwd=tree,
                        env={**os.environ, **date},
                        stdout=subprocess.DEVNULL,
                    )
                wheels = work / f"wheels{number}"
                run(own, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, tree, **date)
                (wheel,) = wheels.glob("*.whl")
                if "-any.whl" in wheel.name or "-none-" in wheel.name:
                    raise DistError(f"{python} has built {wheel.name} without the kernel: is a C compiler there?")
                run(tools / "auditwheel", "repair", "-w", DIST, wheel, PATH=f"{tools}:{os.environ['PATH']}", **date)
        finally:
            run("git", "worktree", "remove", "--force", tree)
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(DIST.iterdir())]
    (DIST / SUMS).write_text("".join(sums))
    print("".join(sums), end="")


def check(python: str, tools: Path) -> None:
    """Installs what is in dist/ with pip, with and without a compiler, with pipx and by uvx, and runs it."""
    tag = run(python, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])")
    wheels = list(DIST.glob(f"*-{tag}-*.whl"))
    if not wheels:
        raise DistError(f"{DIST} has no wheel for {tag}: run make dist first")
    (wheel,) = wheels
    (source,) = DIST.glob("*.tar.gz")
    version = source.name.removeprefix("wsgate-").removesuffix(".tar.gz")

    def install(directory: Path, file: Path, walked: str, **variables: str) -> str:
        own = environment(python, directory)
        # pip would find the kernel in its cache, where there is no compiler
        run(own, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "install", file, **variables)
        expect(run(directory / "bin" / "wsgate", "--version"), f"wsgate {version}")
        found = run(own, "-I", "-c", _KERNEL)  # -I: not the checkout in the present directory
        if walked not in found:
            raise DistError(f"expected {walked!r}, found {found!r}")
        return found

    compiled, pure = "by the compiled kernel", "in Python"
    ways: dict[str, Callable[[Path], str]] = {
        "pip, the wheel, without a compiler": lambda work: install(work, wheel, compiled, CC=_NO_COMPILER),
        "pip, the source, with a compiler": lambda work: install(work, source, compiled),
        "pip, the source, without a compiler": lambda work: install(work, source, pure, CC=_NO_COMPILER),
        "pipx": lambda work: pipx(work, wheel, version, tools, python),
        "uvx": lambda work: uvx(work, wheel, version, tools, python),
    }
    for name, way in ways.items():
        with tempfile.TemporaryDirectory() as work:
            print(f"{name}: {way(Path(work) / 'environment')}")


def pipx(work: Path, wheel: Path, version: str, tools: Path, python: str) -> str:
    place = {"PIPX_HOME": str(work / "home"), "PIPX_BIN_DIR": str(work / "bin"), "PIPX_MAN_DIR": str(work / "man")}
    run(tools / "pipx", "install", "--python", shutil.which(python) or python, wheel, **place)
    found = run(work / "bin" / "wsgate", "--version")
    expect(found, f"wsgate {version}")
    return found


def uvx(work: Path, wheel: Path, version: str, tools: Path, python: str) -> str:
    place = {"UV_CACHE_DIR": str(work / "cache"), "UV_PYTHON_DOWNLOADS": "never"}
    found = run(tools / "uvx", "--quiet", "--python", python, "--from", wheel, "wsgate", "--version", **place)
    expect(found, f"wsgate {version}")
    return found


def expect(found: str, expected: str) -> None:
    if found != expected:
        raise DistError(f"expected {expected!r}, found {found!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("tools", type=Path, help="the directory with auditwheel, pipx and uvx")
    parser.add_argument("python", nargs="+", help="the Pythons to build wheels for; the first one is checked with")
    options = parser.parse_args()
    try:
        if options.action == "build":
            build(options.python, options.tools.absolute())
        else:
            check(options.python[0], options.tools.absolute())
    except DistError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
