"""The gateway's process for tests without an event loop of their own, and for those that judge its log as a whole.

Its log is in a file. ``tests.e2e.gateway`` is for tests on trio, which wait for one line after the other; all others
that run the gateway's process do it by this file. ``tests.ops.running`` and ``tests.gate.conftest`` run a part of it in
the test's own process, on a virtual clock.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.peers.threads import PATIENCE

from .gateway import COMMAND, ENVIRONMENT, START_DEADLINE, STOP_DEADLINE, write_config

LOG = "wsgate.log"  # the file of the log, in the directory of the configuration

Line = dict[str, Any]
_T = TypeVar("_T")


class GatewayProcess:
    """One running ``wsgate serve``.

    log: the file that has its standard error
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self.log = log
        self._process = process
        self._lines: list[Line] = []
        self._size_read = 0

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ends it with TERM. Returns its exit status."""
        self._process.terminate()
        return self._process.wait(STOP_DEADLINE)

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self.lines("listening")[0]["address"].rpartition(":")[2])

    def lines(self, event: str, **fields: Any) -> list[Line]:
        """The log lines so far of one event, with these values."""
        wanted = fields.items()
        self._read_log()
        return [line for line in self._lines if line["event"] == event and wanted <= line.items()]

    def _read_log(self) -> None:
        """Adds the lines that have come. Each is read once: some tests ask for one ten thousand times."""
        with self.log.open("rb") as log:
            log.seek(self._size_read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        try:
            self._lines += [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            raise AssertionError(f"not only log lines:\n{whole.decode()[-4000:]}") from None
        self._size_read += len(whole)

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
            assert self._process.poll() is None, f"the gateway has ended:\n{self.log.read_text()}"
            time.sleep(0.005)
        raise AssertionError(f"no {what} within {patience:g} s:\n{self.log.read_text()[-4000:]}")

    def memory(self) -> int:
        """Returns the process's own memory in bytes (``tests.e2e.gateway`` explains why not the resident set)."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) << 10
        raise AssertionError("no Pss_Anon in smaps_rollup")

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@contextmanager
def launched(file: Path, log: Path, *, prefix: Sequence[str] = ()) -> Iterator[GatewayProcess]:
    """Runs a gateway with this configuration file, which may not be ready yet; nothing is left of it at the end.

    prefix: a command that runs the command behind it
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *COMMAND, "serve", str(file)],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    try:
        yield GatewayProcess(process, log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(
    directory: Path, *routes: dict[str, Any], prefix: Sequence[str] = (), **settings: Any
) -> Iterator[GatewayProcess]:
    """Runs a gateway with these routes and settings, and waits until it is ready. It must end with status 0 and log no
    bug."""
    file, log = write_config(directory, routes, **settings), directory / LOG
    with launched(file, log, prefix=prefix) as gateway:
        gateway.wait_for(lambda: next(iter(gateway.lines("ready")), None), "ready in the log", START_DEADLINE)
        yield gateway
        assert gateway.stop() == 0, log.read_text()[-4000:]
        assert gateway.lines("bug") == []
