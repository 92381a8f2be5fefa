"""The gateway's process for a whole module of blocking tests: started once, its log in a file, and it must end well."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.gateway import COMMAND, ENVIRONMENT, STOP_DEADLINE, write_config
from tests.peers.threads import PATIENCE

Line = dict[str, Any]
_T = TypeVar("_T")


class Process:
    """One running ``wsgate serve``."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self.lines("listening")[0]["address"].rpartition(":")[2])

    def lines(self, event: str, **fields: Any) -> list[Line]:
        """The log lines so far of one event, with these values."""
        wanted = {"event": event, **fields}
        text = self._log.read_text()
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in found if wanted.items() <= line.items()]

    def wait_line(self, event: str, **fields: Any) -> Line:
        """The first such line."""
        return self.wait_for(lambda: next(iter(self.lines(event, **fields)), None), f"{event} {fields} in the log")

    def wait_for(self, probe: Callable[[], _T | None], what: str, patience: float = PATIENCE) -> _T:
        """What ``probe`` gives once it gives something. For what shows only from outside: logs, /proc."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            value = probe()
            if value is not None:
                return value
            assert self._process.poll() is None, f"the gateway has ended:\n{self._log.read_text()}"
            time.sleep(0.005)
        raise AssertionError(f"no {what} within {patience:g} s:\n{self._log.read_text()[-4000:]}")

    def memory(self) -> int:
        """Returns the process's own memory in bytes (``tests.e2e.gateway`` explains why not the resident set)."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) << 10
        raise AssertionError("no Pss_Anon in smaps_rollup")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@contextmanager
def running(directory: Path, *routes: dict[str, Any], prefix: Sequence[str] = (), **settings: Any) -> Iterator[Process]:
    """Runs a gateway with these routes and settings. It must end with status 0 and log no bug.

    prefix: a command that runs the command behind it
    """
    file, log = write_config(directory, routes, **settings), directory / "wsgate.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *COMMAND, "serve", str(file)],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    gateway = Process(process, log)
    try:
        gateway.wait_line("ready")
        yield gateway
        process.terminate()
        assert process.wait(STOP_DEADLINE) == 0, log.read_text()[-4000:]
        assert gateway.lines("bug") == []
    finally:
        process.kill()
        process.wait()
