"""Runs the load generator and the backends: starts them, sends commands, reads results."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench import payloads
from bench.processes import NotStarted, last_words, start, stop
from bench.proxies import BUILD, PROJECT
from bench.rows import Load


class LoadFailed(Exception):
    """The proxy could not do the work; the message says what happened."""


def build() -> None:
    """Compiles the generator and the backends, if they are older than their sources."""
    subprocess.run(["make", "--silent", "-C", str(PROJECT / "bench")], check=True)


def arguments(load: Load, port: int, *, seconds: float, warm_up: float, share: float = 1.0) -> list[str]:
    """Returns the generator's command line. ``share``: the part of the times that each "go" takes."""
    words = [f"--port={port}", f"--mode={load.mode}", f"--path={load.path}", f"--size={load.size}"]
    words += [f"--connections={load.connections}", f"--in-flight={load.in_flight}"]
    words += [f"--seconds={max(load.seconds, seconds) * share:g}"]
    words += [f"--warm-up={max(load.warm_up, warm_up) * share:g}"]
    words += [f"--active={load.active}"] if load.active else []
    words += [f"--{name}={getattr(load, name):g}" for name in ("burst", "rate", "requests") if getattr(load, name)]
    words += [f"--{name}" for name in ("text", "raw", "tunnel", "tls", "http", "rotate") if getattr(load, name)]
    words += [f"--payload={payloads.file(load)}"] if load.json else []
    words += [f"--offer={load.offer}"] if load.offer else []
    return words


class Lines:
    """Reads lines from a pipe with a timeout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        self._file = process.stdout
        self._rest = b""

    def next(self, timeout: float) -> str:
        """Returns the next line. Raises ``EOFError`` at the end, ``TimeoutError`` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._rest:
            if not select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            data = self._file.read1(65536)  # type: ignore[attr-defined]
            if not data:
                raise EOFError
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()


@contextmanager
def backends(cores: frozenset[int]) -> Iterator[tuple[int, dict[str, int]]]:
    """Runs the backends. Yields their process id, and the port of each role."""
    directory = BUILD / "run" / "backend"
    directory.mkdir(parents=True, exist_ok=True)
    process = start([str(BUILD / "backend")], cores=cores, directory=directory, stdout=subprocess.PIPE)
    try:
        try:
            words = Lines(process).next(10).split()
        except (EOFError, TimeoutError):
            raise NotStarted(f"the backend: {last_words(directory)}") from None
        yield process.pid, {role: int(port) for role, _, port in (word.partition("=") for word in words[1:])}
    finally:
        stop(process)


class Generator:
    """One run of the generator: ``opened`` waits for its sessions, ``go`` measures; for echo work it can be repeated.

    name: of its directory
    """

    def __init__(self, words: Sequence[str], cores: frozenset[int], name: str = "load") -> None:
        self._directory = BUILD / "run" / name
        self._directory.mkdir(parents=True, exist_ok=True)
        self.process = start(
            [str(BUILD / "load"), *words],
            cores=cores,
            directory=self._directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines = Lines(self.process)

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *exc: object) -> None:
        stop(self.process)

    def opened(self, timeout: float) -> None:
        self._event(timeout, "while it opened sessions")

    def go(
        self, cores: tuple[int, int], proxy: Sequence[int], backend: Sequence[int], timeout: float
    ) -> dict[str, Any]:
        """Starts the work and waits for its result, the line that load.c describes.

        cores: the proxy's and the load's; -1 for none of its own; then process ids
        """
        assert self.process.stdin
        pids = [",".join(map(str, each)) or "-" for each in (proxy, backend)]
        self.process.stdin.write(f"go {cores[0]} {cores[1]} {pids[0]} {pids[1]}\n".encode())
        self.process.stdin.flush()
        return self._event(timeout, "under load")

    def _event(self, timeout: float, when: str) -> dict[str, Any]:
        try:
            event: dict[str, Any] = json.loads(self._lines.next(timeout))
        except EOFError:
            self.process.wait(10)
            raise LoadFailed(f"{when}: {last_words(self._directory, 1)}") from None
        except TimeoutError:
            raise LoadFailed(f"{when}: nothing happened for {timeout:g} s") from None
        return event
