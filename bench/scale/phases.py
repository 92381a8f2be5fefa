"""What is done to the replicas, one thing after the other, and when."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.scale import network
from bench.scale.clients import Clients
from bench.scale.network import Machine
from bench.scale.plan import Plan
from bench.scale.programs import Balancer, Program, Replica, backend, wait
from bench.scale.tally import Event
from wsgate.text.duration import show_duration

CONNECT, STEADY, RESTART, DEATH, MOVE, END = "connect", "steady", "rolling restart", "death", "move", "end"
SETTLED = 30.0  # seconds, beyond what the plan says, until every client must be back
NEW, OLD = 100, 1  # weights
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    begin: float
    end: float


@dataclass(slots=True)
class Story:
    """What has happened.

    drains: when the drain of each replica began, and when its process had ended
    statuses: the exit status of each drain
    dead: the replica that died, and when; ``None`` before
    added: the replica that was added
    slab: bytes of kernel objects before the first session, and with all of them
    waited: by phase, the longest time for which a program was ready to run and had no core: others had them
    cpu: by phase and program, the share of a core that it took; of those that ran all of the time
    """

    plan: Plan
    phases: list[Phase] = field(default_factory=list)
    events: Sequence[Event] = ()
    drains: list[tuple[str, float, float]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    dead: tuple[str, float] | None = None
    added: str = ""
    slab: tuple[int, int] = 0, 0
    waited: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, dict[str, float]] = field(default_factory=dict)


class Run:
    """The machines and their programs. Make it inside of ``network.enter``.

    say: is told what happens, for people
    """

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self.story = Story(plan)
        network.make_bridge()
        balancers = [network.make_machine(f"lb{n}", [f"10.42.1.{n}"]) for n in range(1, plan.balancers + 1)]
        replicas = [network.make_machine(f"r{n}", [f"10.42.2.{n}"]) for n in range(1, plan.replicas + 2)]
        backends = [network.make_machine(f"b{n}", [f"10.42.3.{n}"]) for n in range(1, plan.backends + 1)]
        self._home = network.make_machine("clients", [f"10.42.4.{n}" for n in range(1, 5)])
        self._directory = directory
        self._addresses = _addresses(balancers)
        self._backends = [backend(each, directory) for each in backends]
        self._replicas = [Replica(plan, each, directory, self._addresses, _addresses(backends)) for each in replicas]
        self._balancers = [Balancer(plan, each, directory, replicas) for each in balancers]
        self._serving: list[Replica] = []
        self._spare = self._replicas[-1]

    def play(self) -> Story:
        """Goes through all phases. Raises ``TimeoutError``, ``NotStarted`` or ``OSError`` when one cannot be done."""
        self._say("start")
        for program in self._backends:
            program.start()
        self._add(self._replicas[:-1])
        for program in self._balancers:
            program.start()
        self._wait_until_up(self._serving)
        # a balancer believes in every replica until its first check
        self._wait_until_seen([self._spare], "DOWN")
        clients = Clients(self._plan, self._home, self._directory, self._addresses)
        try:
            for name, act in (
                (CONNECT, self._connect),
                (STEADY, self._rest),
                (RESTART, self._restart_all),
                (DEATH, self._let_one_die),
                (MOVE, self._move),
                (END, self._rest),
            ):
                with self._phase(name):
                    act(clients)
        finally:
            clients.stop()
        self.story.events = clients.tally.events
        return self.story

    def _connect(self, clients: Clients) -> None:
        before = slab(MEMINFO.read_text())
        self._wait_for_all(clients, self._plan.sessions / self._plan.rate)
        self.story.slab = before, slab(MEMINFO.read_text())

    def _rest(self, clients: Clients) -> None:
        end = time.monotonic() + self._plan.steady
        wait("time passes", 2 * self._plan.steady + 1, lambda: self._goes_on(clients) and time.monotonic() > end)

    def _restart_all(self, clients: Clients) -> None:
        """A new replica first; then each old one ends, and a new one takes its place. The last one's stays empty.

        The balancers give new sessions to new replicas, so nobody comes to one that will be the next to end.
        """
        plan, old = self._plan, list(self._serving)
        for each in old:
            self._weigh(each, OLD)
        self._add([self._spare])
        self._wait_until_up([self._spare])
        for number, replica in enumerate(old):
            began = time.monotonic()
            replica.terminate()
            longest = plan.delay + plan.spread + plan.grace + SETTLED
            process = replica.process
            assert process is not None
            wait(f"{replica.machine.name} has drained", longest, lambda: process.poll() is not None)  # noqa: B023
            self.story.drains.append((replica.machine.name, began, time.monotonic()))
            self.story.statuses.append(process.returncode)
            self._serving.remove(replica)
            self._wait_for_all(clients, plan.reconnect)
            self._weigh(replica, NEW)
            if number < len(old) - 1:
                self._add([replica])
                self._wait_until_up([replica])
        self._spare = old[-1]

    def _let_one_die(self, clients: Clients) -> None:
        """Nobody is told: neither FIN nor RST comes from it."""
        dead = self._serving.pop()
        self.story.dead = dead.machine.name, time.monotonic()
        dead.machine.pull()
        dead.kill()
        wait(
            f"the clients of {dead.machine.name} know",
            self._plan.heartbeat + SETTLED,
            lambda: self._goes_on(clients) and not clients.tally.on(dead.machine.name),
        )
        self._wait_for_all(clients, self._plan.reconnect)

    def _move(self, clients: Clients) -> None:
        """One is added, and those that were there give it their share."""
        givers = list(self._serving)
        self.story.added = self._spare.machine.name
        self._add([self._spare])
        self._wait_until_up([self._spare])
        for each in givers:
            each.ask("move", "--share", f"{self._plan.moved}%", "--over", show_duration(self._plan.over))
        end = time.monotonic() + self._plan.over
        wait("the time of the move", self._plan.over + 2, lambda: self._goes_on(clients) and time.monotonic() > end)
        self._wait_for_all(clients, self._plan.reconnect)

    # -- parts ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._say(name)
        programs: list[Program] = [*self._balancers, *self._replicas, *self._backends]
        before = [(each, each.process, each.cpu, each.waited) for each in programs]
        began = time.monotonic()
        yield
        end = time.monotonic()
        self.story.phases.append(Phase(name, began, end))
        self.story.cpu[name] = {
            each.machine.name: (each.cpu - used) / (end - began)
            for each, process, used, _ in before
            if process is each.process and process is not None and process.poll() is None
        }
        # one that was started anew has begun at 0
        waits = [each.waited - (waited if process is each.process else 0.0) for each, process, _, waited in before]
        self.story.waited[name] = max(0.0, *waits)

    def _add(self, replicas: Sequence[Replica]) -> None:
        for each in replicas:
            each.start()
        for each in replicas:
            each.wait_until_ready()
        self._serving += replicas

    def _weigh(self, replica: Replica, weight: int) -> None:
        for each in self._balancers:
            each.weight(replica.machine.name, weight)

    def _wait_until_up(self, replicas: Sequence[Replica]) -> None:
        self._wait_until_seen(replicas, "UP")

    def _wait_until_seen(self, replicas: Sequence[Replica], state: str) -> None:
        for balancer in self._balancers:
            for replica in replicas:
                name = replica.machine.name
                wait(
                    f"{balancer.machine.name} finds that {name} is {state}",
                    SETTLED,
                    lambda: balancer.sees(name, state),  # noqa: B023
                )

    def _wait_for_all(self, clients: Clients, seconds: float) -> None:
        wait(
            f"all {self._plan.sessions} clients have a session",
            seconds + SETTLED,
            lambda: self._goes_on(clients) and len(clients.tally.open) == self._plan.sessions,
        )

    def _goes_on(self, clients: Clients) -> bool:
        """Returns ``True``. Raises ``NotStarted`` if a program has ended that should run."""
        clients.check()
        for program in (*self._balancers, *self._backends):
            program.check()
        return True


def slab(meminfo: str) -> int:
    """Returns the bytes of kernel objects in the text of /proc/meminfo: sockets and descriptors, without buffers."""
    return next(int(line.split()[1]) * 1024 for line in meminfo.splitlines() if line.startswith("Slab:"))


def _addresses(machines: Sequence[Machine]) -> list[str]:
    return [each.address for each in machines]
