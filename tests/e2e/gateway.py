"""Runs the gateway as its users do: a process of its own, one configuration file, its log on stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
import yaml

from tests.peers.stream import Backend, Peer

COMMAND = (sys.executable, "-m", "wsgate")
PROJECT = Path(__file__).resolve().parents[2]

# An uncaught warning is a line on stderr that is no JSON, at which ``Gateway.stop`` fails.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "error"}

START_DEADLINE = 25.0  # seconds until a gateway is ready: a second of CPU, which a loaded machine may not have for long
LINE_DEADLINE = 10.0  # seconds that a test waits for a log line; the gateway takes milliseconds
STOP_DEADLINE = 10.0  # seconds from SIGTERM to the end; more than any drain.grace in these tests

Fields = Mapping[str, Any]
StartGateway = Callable[..., Awaitable["Gateway"]]  # the fixture ``start_gateway``
OpenBackend = Callable[[], Awaitable[Backend]]  # the fixture ``open_backend``
OpenClient = Callable[..., Awaitable[Peer]]  # the fixture ``open_client``
# The fixtures ``start_relay`` and ``start_tunnel``, ``open_relay`` and ``open_tunnel``
StartSession = Callable[..., Awaitable[tuple["Gateway", Peer, Backend]]]
OpenSession = Callable[..., Awaitable[tuple["Gateway", Peer, Peer]]]


def write_config(directory: Path, routes: Sequence[Fields], **settings: Any) -> Path:
    """Writes a configuration file with one listener on a port that the kernel chooses, unless ``settings`` has
    others."""
    usual = {"listeners": [{"bind": "127.0.0.1:0"}], "drain": {"spread": "0s", "grace": "2s"}}
    config = {**usual, **settings, "routes": routes}
    file = directory / "wsgate.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def relay(port: int, **route: Any) -> dict[str, Any]:
    """A route that takes every request to the WebSocket backend at ``port``, from any page; ``route`` adds keys to
    it."""
    return {"name": "relay", "origins": "any", "relay": {"to": [f"ws://127.0.0.1:{port}"]}, **route}


def tunnel(port: int, **tunnel: Any) -> dict[str, Any]:
    """A route that takes every request to the TCP service at ``port``; ``tunnel`` adds keys to its tunnel."""
    return {"name": "tunnel", "tunnel": {"to": [f"tcp://127.0.0.1:{port}"], **tunnel}}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, with its output."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


class Gateway:
    """One running ``wsgate serve``. Its log lines can be waited for, each of them once."""

    def __init__(self, process: trio.Process, file: Path) -> None:
        self.process = process
        self.file = file
        self.log: list[str] = []
        self.addresses: list[str] = []
        self._untaken: list[Fields] = []
        self._arrival = trio.Event()
        self._log_ended = trio.Event()
        self._may_read = trio.Event()
        self._may_read.set()

    @classmethod
    async def start(
        cls,
        nursery: trio.Nursery,
        file: Path,
        *,
        prefix: Sequence[str] = (),
        flags: Sequence[str] = (),
        environment: Mapping[str, str] = {},
        **options: Any,
    ) -> Gateway:
        """Starts the process; ``wait_ready`` comes next.

        prefix: a command that runs the command behind it
        flags: of ``wsgate serve``
        environment: variables in addition to the usual ones
        options: of ``subprocess.Popen``
        """
        process = await trio.lowlevel.open_process(
            [*prefix, *COMMAND, "serve", *flags, str(file)],
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **options,
        )
        gateway = cls(process, file)
        nursery.start_soon(gateway._read_log)
        return gateway

    async def wait_ready(self) -> None:
        """Wait until every listener is bound; ``addresses`` tells where."""
        await self.next_line("ready", within=START_DEADLINE)
        self.addresses = [line["address"] for line in self.untaken("listening")]

    async def reload(self, *routes: Fields, **settings: Any) -> None:
        """Write another file in the place of the one that it runs, and have it take that."""
        write_config(self.file.parent, routes, **settings)
        self.process.send_signal(signal.SIGHUP)
        await self.next_line("reloaded")

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self.addresses[0].rpartition(":")[2])

    def url(self, path: str = "/") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def next_line(self, event: str, *, within: float = LINE_DEADLINE, **fields: Any) -> Fields:
        """The first log line of this event, with these values, that no test has taken yet; waits for it, so many
        seconds."""
        wanted = {"event": event, **fields}
        with trio.move_on_after(within):
            while True:
                for line in self._untaken:
                    if all(line.get(name) == value for name, value in wanted.items()):
                        self._untaken.remove(line)
                        return line
                if self._log_ended.is_set():
                    break
                await self._arrival.wait()
        raise AssertionError(f"no line with {wanted} in the log:\n" + "\n".join(self.log))

    async def session_line(self, **fields: Any) -> Fields:
        return await self.next_line("session", **fields)

    async def refused_line(self, **fields: Any) -> Fields:
        return await self.next_line("refused", **fields)

    def untaken(self, event: str) -> list[Fields]:
        """The lines of this event so far that no test has taken."""
        return [line for line in self._untaken if line.get("event") == event]

    def leave_log(self) -> None:
        """Stop reading the log: its pipe fills."""
        self._may_read = trio.Event()

    def take_up_log(self) -> None:
        self._may_read.set()

    def memory(self) -> int:
        """Returns the process's own memory in bytes: its proportional set size without mapped files.

        (The share of memory common with other Python processes would change when these start and end.)
        """
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)
        assert found, rollup
        return int(found[1]) << 10

    def peak_memory(self) -> int:
        """Bytes of memory that the process has had at most (VmHWM, proc_pid_status(5))."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, status
        return int(found[1]) << 10

    async def wait_exit(self) -> int:
        """The exit status, once the process has ended and its whole log is read."""
        with trio.move_on_after(STOP_DEADLINE) as deadline:
            await self.process.wait()
            await self._log_ended.wait()
        if deadline.cancelled_caught:
            self.process.kill()
            raise AssertionError("the gateway does not end; its log:\n" + "\n".join(self.log))
        status = self.process.returncode
        assert status is not None
        return status

    async def stop(self) -> None:
        """End the process, unless a test did so, and check how it went and that nothing but log lines was written."""
        running = self.process.returncode is None
        if running:
            self.process.terminate()
        status = await self.wait_exit()
        assert not running or status == 0, f"exit status {status}; the log:\n" + "\n".join(self.log)
        strange = [line for line in self.log if not _is_log_line(line) or "traceback" in json.loads(line)]
        assert not strange, "no way to log:\n" + "\n".join(strange)

    async def kill(self) -> None:
        """Leave no process behind, however a test went."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        pending = b""
        async for chunk in self.process.stderr:
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                self._add(line.decode())
            await self._may_read.wait()
        if pending:
            self._add(pending.decode())
        self._log_ended.set()
        self._arrival.set()

    def _add(self, line: str) -> None:
        self.log.append(line)
        if _is_log_line(line):
            self._untaken.append(json.loads(line))
        self._arrival.set()
        self._arrival = trio.Event()


def _is_log_line(line: str) -> bool:
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and {"time", "level", "event"} <= fields.keys()
