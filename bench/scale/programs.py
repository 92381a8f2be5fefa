"""The programs of a run, each on its machine: replicas, balancers, backends."""

from __future__ import annotations

import csv
import http.client
import io
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import NotStarted, cpu_seconds, last_words
from bench.proxies import BUILD, PROJECT, find
from bench.scale import configs
from bench.scale.configs import ADMIN, BACKEND, SERVERS
from bench.scale.network import Machine
from bench.scale.plan import Plan

START = 30.0  # seconds, for a replica on a busy machine
LOOK = 0.1


def wait(what: str, seconds: float, is_so: Callable[[], bool]) -> None:
    """Waits until something is so. Raises ``TimeoutError`` that names it."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(LOOK)


class Program:
    """A program on a machine; ``start`` and ``kill`` may be called again and again."""

    def __init__(self, machine: Machine, directory: Path, command: Sequence[str]) -> None:
        self.machine = machine
        self.directory = directory / machine.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.directory / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                self.machine.command("env", f"PYTHONPATH={PROJECT}", *self.command),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def check(self) -> None:
        """Raises ``NotStarted`` if it does not run."""
        if self.process is None or self.process.poll() is not None:
            status = self.process and self.process.returncode
            raise NotStarted(f"{self.machine.name}: exit status {status}: {last_words(self.directory)}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def cpu(self) -> float:
        """Seconds of CPU time until now."""
        return cpu_seconds(self.process.pid) if self.process is not None else 0.0

    @property
    def waited(self) -> float:
        """Seconds until now for which it was ready to run and had no core; 0 when it has ended."""
        try:
            text = Path(f"/proc/{self.process.pid}/schedstat").read_text() if self.process is not None else "0 0 0"
        except OSError:
            return 0.0
        return int(text.split()[1]) / 1e9


class Replica(Program):
    """A wsgate, which says in X-Replica who it is."""

    def __init__(
        self, plan: Plan, machine: Machine, directory: Path, balancers: Sequence[str], backends: Sequence[str]
    ) -> None:
        file = directory / machine.name / "wsgate.yaml"
        super().__init__(machine, directory, [sys.executable, "-m", "wsgate", "serve", str(file)])
        self._token = self.directory / "token"
        self._token.write_text("a-token-of-this-run-alone\n")
        self._token.chmod(0o600)
        file.write_text(
            configs.wsgate(
                plan,
                machine.name,
                machine.address,
                balancers=balancers,
                backends=backends,
                token=str(self._token),
                log=str(self.directory / "log"),
            )
        )

    def wait_until_ready(self) -> None:
        wait(f"{self.machine.name} is ready", START, self._is_ready)

    def _is_ready(self) -> bool:
        self.check()
        connection = http.client.HTTPConnection(self.machine.address, ADMIN, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def terminate(self) -> None:
        """It drains, and ends."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def ask(self, *words: str) -> None:
        """Runs a command of wsgate that asks this replica. Raises ``OSError`` with what it says if it fails."""
        where = ["--admin", f"http://{self.machine.address}:{ADMIN}", "--token-file", str(self._token)]
        done = subprocess.run(
            [sys.executable, "-m", "wsgate", words[0], *where, *words[1:]],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"wsgate {' '.join(words)}: {done.stderr.strip()}")


class Balancer(Program):
    """An HAProxy in TCP mode."""

    def __init__(self, plan: Plan, machine: Machine, directory: Path, replicas: Sequence[Machine]) -> None:
        file = directory / machine.name / "haproxy.cfg"
        super().__init__(machine, directory, [find("haproxy") or "haproxy", "-db", "-f", str(file)])
        self._socket = self.directory / "socket"
        named = [(each.name, each.address) for each in replicas]
        file.write_text(configs.haproxy(plan, machine.address, replicas=named, socket=str(self._socket)))

    def weight(self, replica: str, weight: int) -> None:
        """Gives a replica another weight, beside those of the others."""
        answer = self._ask(f"set server {SERVERS}/{replica} weight {weight}").strip()
        if answer:
            raise OSError(f"{self.machine.name}: {answer}")

    def states(self) -> dict[str, str]:
        """Returns what it thinks of each replica: ``UP``, ``NOLB``, ``DOWN``, perhaps with more words behind."""
        lines = csv.DictReader(io.StringIO(self._ask("show stat").lstrip("# ")))
        return {line["svname"]: line["status"] for line in lines if line["pxname"] == SERVERS}

    def sees(self, replica: str, state: str) -> bool:
        """Whether it thinks so of a replica, in the words of ``states``."""
        try:
            return self.states()[replica].startswith(state)
        except (FileNotFoundError, ConnectionRefusedError):
            self.check()
            return False

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(self._socket))
            sock.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()


def backend(machine: Machine, directory: Path) -> Program:
    """Returns an echo backend, which says in X-Backend who it is."""
    return Program(machine, directory, [str(BUILD / "backend"), machine.address, str(BACKEND)])
