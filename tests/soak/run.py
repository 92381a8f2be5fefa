"""Rounds of visits, many at a time, with reloads among them; after each the gateway must hold what it held before."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import trio
import yaml

from ..e2e.gateway_process import GatewayProcess, launched
from ..pki import Authority, client_context, server_context
from .backends import listen, serve_tcp, serve_websocket
from .config import Ports, lay_out, settings
from .visits import VISITS, Counts, VisitedGateway
from .watch import Held, Log

PATIENCE = 60.0  # seconds for one visit, and until nothing of it is left; machines are shared
GROWTH = 5 << 20  # bytes of memory that a process may have more than in the first third of the rounds
THREADS = 80  # of one process


@dataclass
class Soak:
    """What has been done and seen so far. ``faults`` says what was wrong."""

    seed: str
    visits: Counter[str] = field(default_factory=Counter)
    reloads: int = 0
    rounds: int = 0
    held: list[Held] = field(default_factory=list)  # after each round
    faults: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    events: Counter[str] = field(default_factory=Counter)

    def verdict(self) -> list[str]:
        """Everything that was wrong."""
        found = list(self.faults)
        if len(self.held) > 1:
            # what has grown for good shows in the least of the last third; what it takes to get warm, in the first
            third = len(self.held) // 3
            before = max(each.memory for each in self.held[: max(third, 1)])
            after = min(each.memory for each in self.held[2 * third :])
            processes, threads = self.held[0].processes, self.held[-1].threads
            if after > before + GROWTH * processes:
                found.append(f"memory has grown from {before >> 10} to {after >> 10} KiB")
            if threads > THREADS * processes:
                found.append(f"{threads} threads")
        counts, sessions, refused = self.counts, self.events["session"], self.events["refused"]
        if not counts.sessions <= sessions <= counts.sessions + counts.perhaps:
            found.append(f"{sessions} sessions in the log: {counts.sessions} took place, and perhaps {counts.perhaps}")
        if not counts.refusals <= refused <= counts.refusals + counts.perhaps:
            found.append(f"{refused} refusals in the log: {counts.refusals} took place, and perhaps {counts.perhaps}")
        return found


Report = Callable[[Soak], None]


async def soak(
    directory: Path,
    seed: str,
    go_on: Callable[[Soak], bool],
    report: Report,
    *,
    visits: int = 300,
    at_once: int = 40,
    workers: int = 1,
) -> Soak:
    """Runs rounds until ``go_on`` returns False or something is wrong.

    visits, at_once: of one round; report: called after each round
    """
    done = Soak(seed)
    authority = Authority(directory)
    pair = authority.issue("127.0.0.1")
    async with trio.open_nursery() as nursery:
        with trio.socket.socket() as nobody:
            await nobody.bind(("127.0.0.1", 0))  # and never listens
            ports = Ports(
                await listen(nursery, serve_websocket),
                await listen(nursery, serve_websocket, server_context(pair)),
                await listen(nursery, serve_tcp),
                nobody.getsockname()[1],
            )
            lay_out(directory, ports)
            file = directory / "wsgate.yaml"

            def write() -> None:
                version = done.reloads
                wanted = settings(directory, ports, pair, authority.file, workers=workers, version=version)
                file.write_text(yaml.safe_dump(dict(wanted), sort_keys=False))

            write()
            with _running(file, directory / "wsgate.log", done) as (gateway, log):
                await _until(done, log, lambda: log.events["ready"] > 0, "the gateway is not ready")
                plain, tls = (int(address.rpartition(":")[2]) for address in log.addresses[:2])
                visited = VisitedGateway((plain, tls), client_context(authority), done.counts)

                async def reload() -> None:
                    done.reloads += 1
                    write()
                    gateway.send_signal(signal.SIGHUP)
                    await _until(done, log, lambda: log.events["reloaded"] >= done.reloads, "a reload is not over")

                while not done.faults and go_on(done):
                    await _round(done, visited, visits, at_once, reload)
                    await _settle(done, log, gateway.pid)
                    done.rounds += 1
                    report(done)
                done.events = log.events
        nursery.cancel_scope.cancel()
    return done


@contextmanager
def _running(file: Path, log_file: Path, done: Soak) -> Iterator[tuple[GatewayProcess, Log]]:
    """The gateway; that it ends as it should is a part of it."""
    with launched(file, log_file) as gateway, closing(Log(log_file)) as log:
        yield gateway, log
        status = gateway.stop()
        log.look()
        if status:
            done.faults.append(f"the gateway ended with status {status}")
        done.faults += [f"in the log: {line}" for line in log.faults]


async def _round(
    done: Soak, visited: VisitedGateway, visits: int, at_once: int, reload: Callable[[], Awaitable[None]]
) -> None:
    """Visits that are drawn from the seed and the round's number."""
    limit = trio.CapacityLimiter(at_once)
    random = Random(f"{done.seed}/{done.rounds}")

    async def visit(number: int, name: str) -> None:
        where = f"{name}, visit {number} of round {done.rounds}, seed {done.seed}"
        async with limit:
            try:
                with trio.fail_after(PATIENCE):
                    await VISITS[name](visited, Random(f"{done.seed}/{done.rounds}/{number}"))
            except Exception as error:  # of any kind: the soak looks for exactly this
                done.faults.append(f"{where}: {_words(error)}")
            done.visits[name] += 1

    async with trio.open_nursery() as nursery:
        names = list(VISITS)
        for number in range(visits):
            name = names[number] if number < len(names) else random.choice(names)
            nursery.start_soon(visit, number, name)
        await reload()


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(_words, error.exceptions))
    return f"{type(error).__name__}: {str(error)[:1000]}"


async def _settle(done: Soak, log: Log, pid: int) -> None:
    """Waits until everything that a round has opened is closed and logged."""

    def is_over() -> bool:
        held = Held.by(pid)
        return log.events["session"] >= done.counts.sessions and (
            not done.held or held.descriptors <= done.held[0].descriptors
        )

    await _until(done, log, is_over, "what the round has opened is not closed")
    done.held.append(Held.by(pid))
    done.faults += [f"in the log: {line}" for line in log.faults]
    log.faults.clear()


async def _until(done: Soak, log: Log, is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for what shows only from outside: the log, /proc."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            done.faults.append(otherwise)
            return
        await trio.sleep(0.01)
        log.look()
