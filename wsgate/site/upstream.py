"""The backends of a relay route: chooses one for the next session, and ejects failing ones.

Each worker decides for itself, by the sessions of all workers and its own failures.
"""

from __future__ import annotations

import hmac
import logging
import random
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import trio

from wsgate.events.emit import emit
from wsgate.net.happy_eyeballs import SocketAddress
from wsgate.settings.model import Balance, Eject, Policy, Relay, RelayBackend, TcpAddress, WebSocketUrl
from wsgate.site import balance
from wsgate.site.backend import Drain, LiveBackend
from wsgate.site.members import Answers, entries_of, members, names_of
from wsgate.site.place_queue import PlaceQueue
from wsgate.site.shared_ejection import SharedEjection
from wsgate.site.shared_table import WorkerTable
from wsgate.site.worker_turns import WorkerTurns

_POLICIES: dict[Policy, Callable[[Sequence[balance.Member]], balance.Policy]] = {
    Policy.FIRST: balance.First,
    Policy.ROUND_ROBIN: balance.RoundRobin,
    Policy.RANDOM: lambda members: balance.Random(members, random.randrange),
}

_LOOKS = 2  # backends whose sessions are counted again for each choice, because other workers have sessions with them


@dataclass(frozen=True, slots=True)
class _Members:
    """The backends of an upstream at one time, never changed: a change makes new ones.

    backends: all, in their order
    entries: of the configuration or the file, beside each of ``backends``
    groups: from which policies choose: the usual ones, then the backups
    by_cookie: the backends by the values of their cookies
    """

    backends: Sequence[LiveBackend[WebSocketUrl]]
    entries: Sequence[RelayBackend]
    groups: Sequence[_Group]
    by_cookie: Mapping[str, LiveBackend[WebSocketUrl]]


class Upstream:
    """The backends of a route: those in ``to``, in the file of ``to_file``, and at the addresses of their names.

    What is wanted may change at any time (``update``). A backend that stays is the same object, with its state. One
    that goes gets no new session; the sessions that it has go on.

    relay: the route's settings
    previous: of the route before a reload; backends in both stay the same objects, the addresses of names are known
    secret: for the values of cookies, which nobody else can make
    listed: the entries of the file; ``None``: those of ``previous``
    newcomers: backends that are new, or have come back, and to which sessions should be moved
    hash_key: the part of a request that is the key for ``candidates``; ``None`` if none is needed
    cookie: the name of the cookie that brings a client back to its backend; ``None`` without one
    queue: the sessions that wait for a place; the same after a reload
    """

    def __init__(
        self,
        route: str,
        relay: Relay,
        previous: Upstream | None = None,
        secret: bytes = b"",
        listed: Sequence[RelayBackend] | None = None,
    ) -> None:
        self.route = route
        self.relay = relay
        self.eject = relay.eject
        self.hash_key = relay.balance.hash
        self.cookie = relay.balance.cookie
        self._secret = secret
        if listed is None:
            listed = () if previous is None or previous.relay.to_file != relay.to_file else previous.listed
        self.listed: Sequence[RelayBackend] = tuple(listed)
        self._answers: dict[TcpAddress, tuple[SocketAddress, ...]] = {}
        if previous is not None and relay.resolve is not None:
            self._answers.update(previous._answers)
        # Also those that have gone and still have sessions: they may come back
        self._known: dict[str, LiveBackend[WebSocketUrl]] = {} if previous is None else dict(previous._known)
        self.queue: PlaceQueue = PlaceQueue() if previous is None else previous.queue
        self._table: WorkerTable | None = None if previous is None else previous._table
        self._active = False
        self._forgotten: list[LiveBackend[WebSocketUrl]] = []
        self._members = self._make()
        self.newcomers: set[LiveBackend[WebSocketUrl]] = (
            set() if previous is None else previous.newcomers | (set(self.backends) - set(previous.backends))
        )
        self._forget()
        self._promised: dict[LiveBackend[WebSocketUrl], int] = {}
        if relay.health is None:  # without checks nothing would mark a backend as healthy again
            for each in self.backends:
                each.healthy = True

    @property
    def backends(self) -> Sequence[LiveBackend[WebSocketUrl]]:
        """The present ones, in the order of the configuration, then of the file."""
        return self._members.backends

    @property
    def usual(self) -> Sequence[LiveBackend[WebSocketUrl]]:
        """The present ones that are no backups."""
        groups = self._members.groups
        return groups[0].backends if groups else ()

    @property
    def entries(self) -> Sequence[RelayBackend]:
        """The present entries of configuration and file."""
        return entries_of(self.relay.to, self.listed)

    @property
    def early(self) -> float | None:
        """Seconds after the start within which an abnormal end of a session counts as a failure of its backend."""
        return None if self.eject is None else self.eject.early

    def candidates(
        self, key: bytes = b"", cookie: str | None = None, *, plain: bool = False
    ) -> Iterator[LiveBackend[WebSocketUrl]]:
        """Yields the backends to try for one session, the best first, backups last. Each is chosen when it is needed.

        Behind all of them come the ejected ones: to try one of those is better than to have tried none that works. But
        a session that can wait for a place at one that works does not try them.

        key: of the request, if ``hash_key`` is not ``None``
        cookie: the value of the client's cookie; its backend is the first
        plain: for a request over plain HTTP: backends with as many sessions as they may have get it, too
        """
        self.activate()
        members = self._members
        known = None if cookie is None else members.by_cookie.get(cookie)
        if self._promised and not plain:
            known = self._redeem()
        tried: list[LiveBackend[WebSocketUrl]] = []
        now = trio.current_time()
        if known is not None and (known.works if plain else known.usable):
            tried.append(known)
            yield known
        for group in members.groups:
            for backend in group.candidates(key, now, plain):
                if backend not in tried:
                    tried.append(backend)
                    yield backend
        if not plain and self.relay.queue is not None and self.may_wait(tried):
            return
        for backend in members.backends:
            if backend.is_ejected and backend.is_open and (plain or backend.has_place) and backend not in tried:
                yield backend

    @property
    def draining(self) -> Sequence[LiveBackend[WebSocketUrl]]:
        """The backends whose sessions should be ended; also those that have gone since."""
        return [each for each in self._known.values() if each.is_draining and each.sessions]

    def drain(self, name: str, *, on: bool = True) -> bool:
        """Drains a backend, or ends that, until this process ends: its entry may say otherwise, and is not asked.

        name: as in the log

        Returns whether the route has a backend of this name.
        """
        self.activate()
        backend = next((each for each in self.backends if each.name == name), None)
        if backend is not None:
            backend.drain(Drain.COMMAND, on=on)
        return backend is not None

    def promise(self, backend: LiveBackend[WebSocketUrl], sessions: int) -> None:
        """Gives a backend the next sessions, which were taken from others for it."""
        self._promised[backend] = self.promised(backend) + sessions

    def promised(self, backend: LiveBackend[WebSocketUrl]) -> int:
        """Returns how many of the next sessions a backend gets by ``promise``."""
        return self._promised.get(backend, 0)

    def _redeem(self) -> LiveBackend[WebSocketUrl] | None:
        """Returns the backend to which the next session was promised, if it can take one."""
        backend, number = self._promised.popitem()
        if backend not in self.backends or not backend.works:
            return None  # the others get what was promised to it
        if number > 1:
            self._promised[backend] = number - 1
        return backend

    def may_wait(self, tried: Container[LiveBackend[WebSocketUrl]]) -> bool:
        """Whether a session that finds no place may get one later: a backend works that it has not tried."""
        return any(each.works and each not in tried for each in self.backends)

    def why_none(self, *, plain: bool = False) -> str:
        """Returns why no backend takes a session now, for the log.

        plain: a request over plain HTTP
        """
        if not self.backends:
            return f"there is none in {self.relay.to_file}"
        reasons = ["unhealthy"]
        if any(each.is_draining for each in self.backends):
            reasons.append("draining")
        if not plain:
            reasons.append("at its sessions")
        return f"each is {', or '.join(reasons)}"

    def cookie_of(self, backend: LiveBackend[WebSocketUrl]) -> str:
        """Returns the value of the cookie for a backend."""
        return _sign(self._secret, self.route, backend.name)

    def update(
        self,
        *,
        listed: Sequence[RelayBackend] | None = None,
        answers: Answers = MappingProxyType({}),
    ) -> None:
        """Takes other backends, and logs each that comes or goes.

        listed: the entries of the file; ``None`` if they have not changed
        answers: addresses of names; those of other names stay
        """
        if listed is not None:
            self.listed = tuple(listed)
        for name, found in answers.items():
            # Name servers change the order at each answer
            known = [each for each in self._answers.get(name, ()) if each in found]
            self._answers[name] = tuple(dict.fromkeys([*known, *found]))
        before = self._members
        self._members = now = self._make()
        if now.backends == before.backends and now.entries == before.entries:
            self._members = before
            return
        old, new = set(before.backends), set(now.backends)
        resolved = {each.address for each in before.backends if each.at is None} & {each.url for each in self.entries}
        for backend in before.backends:
            if backend not in new:
                backend.remove(is_resolved=backend.address in resolved)
        for backend in now.backends:
            if backend not in old:
                is_resolved = backend.address in resolved
                if not is_resolved:
                    backend.start_slowly()
                    self.newcomers.add(backend)
                level = logging.INFO if is_resolved else logging.WARNING
                emit(level, "backend added", route=self.route, backend=backend.name)
        self._connect()
        self._forget()
        self._end_drains()

    def share(self, table: WorkerTable) -> None:
        """Counts sessions where other workers see them. Called before the first session.

        table: of this worker
        """
        self._table = table
        if self.relay.queue is not None:
            self.queue.share(WorkerTurns(table, self.route, self.relay.queue.timeout))

    def heed_ejections(self) -> None:
        """Other workers may have ejected backends, or have ended that."""
        for backend in self.backends:
            backend.heed_ejections()

    def activate(self) -> None:
        """Connects the backends to this upstream and its settings, once. Called when the site is in use, so that a site
        that is built and not used changes nothing."""
        if not self._active:
            self._connect()

    def _connect(self) -> None:
        self._active = True
        members = self._members
        slow_start = None if self.relay.health is None else self.relay.health.slow_start
        for backend, entry in zip(members.backends, members.entries, strict=True):
            backend.belong(entry, slow_start, partial(self._may_eject, backend))
            backend.place_changed = partial(self.queue.place_changed, backend)
            if backend.shared is None and self._table is not None:
                name = f"{self.route}\0{backend.name}"
                backend.shared = self._table.number(name)
                backend.shared_ejection = SharedEjection(self._table, name)
                backend.shared_drain = self._table.number(f"{name}\0drains")
                if backend.shared_drain.others():
                    backend.drain(Drain.COMMAND, on=True)
        for group in members.groups:
            group.activate(is_shared=self._table is not None)
        self.heed_ejections()
        self.queue.settle(members.backends)  # their caps may have grown
        self._end_drains()

    def _make(self) -> _Members:
        wanted = members(self.entries, {} if self.relay.resolve is None else self._answers)
        backends = []
        for each in wanted:
            known = self._known.get(each.name)
            if known is None:
                known = self._known[each.name] = LiveBackend(self.route, each.entry.url, at=each.at)
            backends.append(known)
        entries = [each.entry for each in wanted]
        alone = all(each.backup for each in entries)  # if all are backups, none is
        groups = []
        for backup in (False, True):
            pairs = zip(backends, entries, strict=True)
            group = [live for live, each in pairs if (each.backup and not alone) is backup]
            if group:
                groups.append(_Group(group, self.relay.balance))
        by_cookie = {self.cookie_of(each): each for each in backends} if self.cookie else {}
        return _Members(tuple(backends), tuple(entries), tuple(groups), by_cookie)

    def _forget(self) -> None:
        """Forgets the backends that have gone, and their sessions too."""
        present = set(self.backends)
        self._forgotten += [each for each in self._known.values() if each not in present and not each.sessions]
        self._known = {name: each for name, each in self._known.items() if each in present or each.sessions}
        self.newcomers &= present
        names = set(names_of(self.entries))
        self._answers = {name: found for name, found in self._answers.items() if name in names}

    def _end_drains(self) -> None:
        """Of the forgotten backends: one of the same name that comes later is another."""
        for backend in self._forgotten:
            if backend.shared_drain is not None:
                backend.shared_drain.set(0)
        self._forgotten.clear()

    def _may_eject(self, backend: LiveBackend[WebSocketUrl]) -> Eject | None:
        """Returns the settings for ejecting a backend; ``None`` if too many are ejected already, or it is the last
        one."""
        eject = self.eject
        if eject is None:
            return None
        out = sum(each.is_ejected for each in self.backends if each is not backend) + 1
        most = len(self.backends) * eject.at_most // 100
        return eject if out <= most and out < len(self.backends) else None


def _sign(secret: bytes, route: str, name: str) -> str:
    return hmac.digest(secret, f"{route}\0{name}".encode(), "sha256")[:15].hex()


class _Group:
    """Backends from which a policy chooses."""

    def __init__(self, backends: Sequence[LiveBackend[WebSocketUrl]], settings: Balance) -> None:
        self.backends = backends
        self._settings = settings
        self._policy: balance.Policy = balance.First(backends)

    def activate(self, *, is_shared: bool) -> None:
        """Begins to choose. ``is_shared``: other workers have sessions with the backends, too."""
        if self._settings.hash is not None:
            self._policy = balance.Hash(self.backends)
        elif self._settings.policy is Policy.LEAST_SESSIONS:
            self._policy = balance.LeastSessions(self.backends, _LOOKS if is_shared else 0)
        else:
            self._policy = _POLICIES[self._settings.policy](self.backends)
        for index, backend in enumerate(self.backends):
            backend.changed = partial(self._policy.changed, index)

    def candidates(self, key: bytes, now: float, plain: bool) -> Iterator[LiveBackend[WebSocketUrl]]:
        tried: set[int] = set()
        while (index := self._policy.choose(key, tried, now, plain=plain)) is not None:
            tried.add(index)
            yield self.backends[index]
