"""``python -m tests.flood.abuse``: good clients beside a thousand bad ones, and how long their messages take.

The good ones have sessions, or come, send a message and leave. Nothing of theirs may be lost or refused. Each run has
times of quiet and of abuse in turns, because the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from tests.peers.frames import BINARY, MASK, Frame
from tests.peers.heads import request

from ..e2e.gateway import relay
from ..e2e.gateway_process import GatewayProcess, running

GOOD = 50
BAD = 1000
EVERY = 0.1  # seconds between two messages of a good client
NEWCOMER = 0.2  # seconds between two that come and leave
PATIENCE = 20.0  # seconds for an answer
_MESSAGE = Frame(BINARY, bytes(range(64)))


@dataclass
class Times:
    """Seconds that the good clients waited."""

    messages: list[float] = field(default_factory=list)
    newcomers: list[float] = field(default_factory=list)


class Good:
    """The good clients. ``faults``: what they met that they should not."""

    def __init__(self, port: int, count: int) -> None:
        self.faults: list[str] = []
        self._port = port
        self._count = count
        self._times = Times()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        sessions = [await self._open(number) for number in range(self._count)]
        self._tasks = [
            asyncio.create_task(self._talk(number, *session)) for number, session in enumerate(sessions, 1)
        ] + [asyncio.create_task(self._come_and_leave())]

    async def during(self, seconds: float) -> Times:
        self._times = Times()
        await asyncio.sleep(seconds)
        return self._times

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for done in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(done, Exception):
                self.faults.append(f"{type(done).__name__}: {done}")

    async def _open(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = f"127.3.{number // 250}.{number % 250 + 1}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
        writer.write(request("/echo"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return reader, writer

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        began = time.perf_counter()
        writer.write(_MESSAGE.encode(MASK))
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readexactly(len(_MESSAGE.encode(None)))
        assert answer == _MESSAGE.encode(None)
        return time.perf_counter() - began

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await asyncio.sleep(EVERY * number / self._count)
            while True:
                times = self._times
                times.messages.append(await self._echo(reader, writer))
                await asyncio.sleep(EVERY)

    async def _come_and_leave(self) -> None:
        while True:
            times, began = self._times, time.perf_counter()
            async with asyncio.timeout(PATIENCE):
                reader, writer = await self._open(self._count)
            with contextlib.closing(writer):
                await self._echo(reader, writer)
            times.newcomers.append(time.perf_counter() - began)
            await asyncio.sleep(NEWCOMER)


@contextlib.contextmanager
def process(module: str, *arguments: object) -> Iterator[str]:
    """Runs a module of this package until the end of the block. Yields its first line."""
    command = [sys.executable, "-m", f"tests.flood.{module}", *map(str, arguments)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()
            child.wait(PATIENCE)


@contextlib.contextmanager
def abused_gateway(directory: Path) -> Iterator[GatewayProcess]:
    """A gateway with its default limits, and a rate for the messages of each session."""
    hashed = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(10)).decode()
    with process("sink_and_echo") as port:
        routes = [
            relay(int(port), match={"path": f"/{name}"}, limits={"messages_per_second": 20}) | {"name": name}
            for name in ("echo", "sink")
        ]
        auth = {"basic": {"users": [f"alice:{hashed}"]}}
        routes.append(relay(int(port), match={"path": "/secret"}, auth=auth) | {"name": "secret"})
        with running(directory, *routes, defaults={"timeouts": {"close": "300ms"}}) as gateway:
            yield gateway


@dataclass
class Round:
    """A time of quiet, and one of abuse behind it."""

    quiet: Times
    abuse: Times


async def run(gateway: GatewayProcess, rounds: int, seconds: float, good: int, bad: int) -> tuple[list[Round], Good]:
    """Returns the times of the good clients in some rounds, and themselves."""
    clients = Good(gateway.port, good)
    await clients.begin()
    found = []
    for _ in range(rounds):
        await clients.during(seconds / 4)  # what was before is over
        quiet = await clients.during(seconds)
        with process("abusers", gateway.port, bad):
            await clients.during(seconds / 2)  # until all are there
            found.append(Round(quiet, await clients.during(seconds)))
    await clients.end()
    return found, clients


def percentile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flood.abuse", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of quiet, and of abuse, in each round (10)")
    parser.add_argument("--good", type=int, default=GOOD)
    parser.add_argument("--bad", type=int, default=BAD)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wsgate-abuse-") as name, abused_gateway(Path(name)) as gateway:
        rounds, good = asyncio.run(run(gateway, options.rounds, options.seconds, options.good, options.bad))
    print(f"{'':8} {'messages':>9} {'p50':>9} {'p99':>9} {'newcomers':>10} {'p50':>9} {'longest':>9}")
    for number, each in enumerate(rounds, 1):
        for what, times in (("quiet", each.quiet), ("abuse", each.abuse)):
            messages, newcomers = times.messages, times.newcomers
            shown = [percentile(messages, 0.5), percentile(messages, 0.99), percentile(newcomers, 0.5), max(newcomers)]
            p50, p99, new, longest = (f"{1000 * value:6.1f} ms" for value in shown)
            print(f"{number} {what:6} {len(messages):9} {p50} {p99} {len(newcomers):10} {new} {longest}")
    quiet = statistics.median(percentile(each.quiet.messages, 0.99) for each in rounds)
    abuse = statistics.median(percentile(each.abuse.messages, 0.99) for each in rounds)
    print(
        f"median p99 of messages: {1000 * quiet:.1f} ms in quiet, {1000 * abuse:.1f} ms in abuse: {abuse / quiet:.2f}"
    )
    print("\n".join(good.faults) or "nothing was lost or refused")
    return 1 if good.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
