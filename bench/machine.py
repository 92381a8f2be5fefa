"""What a number was measured on: processor, kernel, versions."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
from pathlib import Path

from bench.proxies import PROJECT, find
from wsgate.wire import kernel

# how each program prints its version, and the word with the number
_VERSION = {
    "wsgate": (["-m", "wsgate", "--version"], 1),
    "nginx": (["-v"], 2),
    "haproxy": (["-v"], 2),
    "websockify": None,
}


def processor(cpuinfo: str) -> str:
    """The model in the text of /proc/cpuinfo, and whether it is a virtual machine's."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name", platform.machine())
    virtual = "hypervisor" in fields.get("flags", "").split()
    return model + (", in a virtual machine" if virtual else "")


def version_in(words: str, which: int) -> str:
    """Returns the version in a program's output, like ``nginx version: nginx/1.22.1``; ``which`` is its word."""
    return words.split()[which].rpartition("/")[2]


def version(program: str) -> str | None:
    """The version of a program that is here, or ``None``."""
    path = find(program)
    if path is None:
        return None
    if program == "websockify":
        python = str(Path(path).parent / "python")
        code = "from importlib.metadata import version as v; print(v('websockify'), 'with numpy', v('numpy'))"
        return _output([python, "-c", code]).strip()
    known = _VERSION[program]
    assert known
    return version_in(_output([path, *known[0]]), known[1])


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def code() -> str:
    """Returns a fingerprint of wsgate's own files, also of the compiled ones, but not of Python's caches."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT / "wsgate").rglob("*")):
        if path.suffix in {".py", ".so"}:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def facts(command: str) -> dict[str, str]:
    """Everything that a reader needs to judge the numbers, in the order of the page."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {program: version(program) or "not installed" for program in _VERSION}
    return {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "processor": f"{processor(Path('/proc/cpuinfo').read_text())}, {cores} cores, {memory / 2**30:.0f} GiB",
        "kernel": f"Linux {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "code": code(),
        "frames": "walked by the compiled kernel" if kernel.COMPILED else "walked in Python",
        **versions,
    }
