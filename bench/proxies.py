"""The proxies that are compared: how to find and how to start each one."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import configs
from bench.configs import Ends
from bench.processes import NotStarted

PROJECT = Path(__file__).resolve().parent.parent
BUILD = PROJECT / "build" / "bench"
WEBSOCKIFY = PROJECT / ".venv-bench" / "bin" / "websockify"
MODULES = PROJECT / "tests" / "e2e" / "node" / "node_modules"  # npm's, of which the tests and this have one list


@dataclass(frozen=True, slots=True)
class Proxy:
    program: str  # the key of what() and version()
    command: Callable[[Path, Ends], list[str]]  # writes its configuration into the directory
    pinned: bool = True
    observed: bool = False  # it logs to a file, and its metrics are asked for once a second


def find(program: str) -> str | None:
    """Returns the program's path; servers are in sbin, which is not on the PATH of every user."""
    if program == "wsgate":
        return sys.executable
    if program == "websockify":
        return str(WEBSOCKIFY) if WEBSOCKIFY.exists() else None
    if program == "ws" and not (MODULES / "ws").exists():
        return None
    program = "node" if program == "ws" else program
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


# How to install a missing one.
CURE = {
    "nginx": "apt-get install nginx-light",
    "haproxy": "apt-get install haproxy",
    "websockify": "make -C bench peers",
    "ws": "apt-get install nodejs npm; npm ci, in tests/e2e/node",
}


def _write(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


def _wsgate(
    directory: Path,
    ends: Ends,
    *,
    workers: int = 1,
    compression: str = "",
    limited: bool = False,
    compiled: bool = True,
) -> list[str]:
    text = configs.wsgate(ends, workers=workers, compression=compression, limited=limited)
    file = _write(directory, "wsgate.yaml", text)
    serve = [sys.executable, "-m", "wsgate", "serve", file]
    return serve if compiled else ["env", "WSGATE_PURE=1", *serve]


def _nginx(directory: Path, ends: Ends, *, tuned: bool, workers: int = 1) -> list[str]:
    file = _write(directory, "nginx.conf", configs.nginx(ends, tuned=tuned, workers=workers))
    return [find("nginx") or "nginx", "-e", "stderr", "-p", str(directory), "-c", file]


def _haproxy(directory: Path, ends: Ends, *, tuned: bool, tcp: bool = False, threads: int = 1) -> list[str]:
    file = _write(directory, "haproxy.cfg", configs.haproxy(ends, tuned=tuned, tcp=tcp, threads=threads))
    return [find("haproxy") or "haproxy", "-db", "-f", file]


def _websockify(directory: Path, ends: Ends) -> list[str]:
    return [str(WEBSOCKIFY), f"127.0.0.1:{ends.port}", f"127.0.0.1:{ends.backend}"]


def _ws(directory: Path, ends: Ends) -> list[str]:
    """It is client and backend in one: it inflates a message, and compresses its echo."""
    return [find("ws") or "node", str(PROJECT / "bench" / "ws_server.js"), str(ends.port), str(MODULES)]


PROXIES: Mapping[str, Proxy] = {
    "wsgate": Proxy("wsgate", _wsgate),
    "wsgate in Python": Proxy("wsgate", functools.partial(_wsgate, compiled=False)),
    "wsgate observed": Proxy("wsgate", _wsgate, observed=True),
    "wsgate limited": Proxy("wsgate", functools.partial(_wsgate, limited=True)),
    "wsgate shared": Proxy("wsgate", functools.partial(_wsgate, compression="{client: on}")),
    "wsgate session": Proxy("wsgate", functools.partial(_wsgate, compression="{client: on, context: session}")),
    "wsgate both": Proxy("wsgate", functools.partial(_wsgate, compression="{client: on, backend: on}")),
    "wsgate level 6": Proxy("wsgate", functools.partial(_wsgate, compression="{client: on, level: 6}")),
    "wsgate blind": Proxy("wsgate", functools.partial(_wsgate, compression="{mode: pass, inspect: false}")),
    "ws": Proxy("ws", _ws),
    "nginx": Proxy("nginx", functools.partial(_nginx, tuned=False)),
    "nginx 64k": Proxy("nginx", functools.partial(_nginx, tuned=True)),
    "haproxy": Proxy("haproxy", functools.partial(_haproxy, tuned=False)),
    "haproxy 64k": Proxy("haproxy", functools.partial(_haproxy, tuned=True)),
    # with several workers, and for comparison with one worker, but also on all cores
    "wsgate 1 free": Proxy("wsgate", _wsgate, pinned=False),
    "wsgate 2": Proxy("wsgate", functools.partial(_wsgate, workers=2), pinned=False),
    "nginx 64k 1 free": Proxy("nginx", functools.partial(_nginx, tuned=True), pinned=False),
    "nginx 64k 2": Proxy("nginx", functools.partial(_nginx, tuned=True, workers=2), pinned=False),
    "haproxy 64k 1 free": Proxy("haproxy", functools.partial(_haproxy, tuned=True), pinned=False),
    "haproxy 64k 2": Proxy("haproxy", functools.partial(_haproxy, tuned=True, threads=2), pinned=False),
    "haproxy tcp": Proxy("haproxy", functools.partial(_haproxy, tuned=True, tcp=True)),
    "websockify": Proxy("websockify", _websockify),
}


@functools.cache
def certificate() -> Path:
    """Makes a certificate with its key in one file, new for each run: ECDSA P-256, as most sites have today.

    Raises ``NotStarted`` when OpenSSL is missing.
    """
    openssl = find("openssl")
    if openssl is None:
        raise NotStarted("no openssl to make a certificate with (apt-get install openssl)")
    BUILD.mkdir(parents=True, exist_ok=True)
    file, key = BUILD / "localhost.pem", BUILD / "localhost.key"
    for path in (file, key):
        path.unlink(missing_ok=True)
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(file)),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    file.write_text(file.read_text() + key.read_text())
    file.chmod(0o600)
    key.unlink()
    return file


def missing(proxy: str) -> str | None:
    """Returns why this proxy cannot take part; ``None`` if it can."""
    program = PROXIES[proxy].program
    return f"not installed ({CURE[program]})" if find(program) is None else None
