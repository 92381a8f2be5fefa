"""The backends of a relay route: which of them gets the next session, and which gets none because it fails.

A process chooses by what it knows itself: its own sessions, and the failures that it has met. Other workers choose by
theirs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from wsgate.settings.model import Balance, Eject, Policy, Relay, WebSocketUrl
from wsgate.site import balance
from wsgate.site.backend import LiveBackend

_POLICIES: dict[Policy, Callable[[Sequence[balance.Member]], balance.Policy]] = {
    Policy.FIRST: balance.First,
    Policy.ROUND_ROBIN: balance.RoundRobin,
    Policy.RANDOM: lambda members: balance.Random(members, random.randrange),
    Policy.LEAST_SESSIONS: balance.LeastSessions,
}


class Upstream:
    """``previous`` had the route before: a backend that both have stays the same object.

    relay: the route's settings
    backends: in the order of the file
    hash_key: what of a request is the key of ``candidates``; ``None`` if it needs none
    """

    def __init__(self, route: str, relay: Relay, previous: Upstream | None = None) -> None:
        known = {} if previous is None else {each.name: each for each in previous.backends}
        self._active = False
        self._settings = relay.to
        self.backends: Sequence[LiveBackend[WebSocketUrl]] = [
            known.get(str(each)) or LiveBackend(route, each.url) for each in relay.to
        ]
        self.eject = relay.eject
        self.relay = relay
        if relay.health is None:  # nobody would ever say that one is well again
            for each in self.backends:
                each.healthy = True
        self.hash_key = relay.balance.hash
        groups = (self._of(backup=False), self._of(backup=True))
        self._groups = [_Group(group, relay.balance) for group in groups if group]

    @property
    def early(self) -> float | None:
        """Seconds after its start within which an abnormal end of a session is the backend's failure."""
        return None if self.eject is None else self.eject.early

    def candidates(self, key: bytes = b"") -> Iterator[LiveBackend[WebSocketUrl]]:
        """The backends to try for one session, the best first; each is chosen when it is asked for. Those that are
        backups come last."""
        if not self._active:
            self._activate()
        for group in self._groups:
            yield from group.candidates(key)

    def _activate(self) -> None:
        """At the first session: the backends have these settings from now on, and tell this of changes. Not before: a
        site that is built and not wanted leaves everything as it was."""
        self._active = True
        for backend, settings in zip(self.backends, self._settings, strict=True):
            backend.weight, backend.cap = settings.weight, settings.sessions
            backend.may_eject = partial(self._may_eject, backend)
        for group in self._groups:
            group.activate()

    def _of(self, *, backup: bool) -> list[LiveBackend[WebSocketUrl]]:
        alone = all(each.backup for each in self._settings)  # without others, backups are none
        pairs = zip(self.backends, self._settings, strict=True)
        return [live for live, each in pairs if (each.backup and not alone) is backup]

    def _may_eject(self, backend: LiveBackend[WebSocketUrl]) -> Eject | None:
        """The rules by which a backend is ejected; ``None`` if it may not be: too many are, or it is the last one."""
        eject = self.eject
        if eject is None:
            return None
        out = sum(each.is_ejected for each in self.backends if each is not backend) + 1
        most = len(self.backends) * eject.at_most // 100
        return eject if out <= most and out < len(self.backends) else None


class _Group:
    """Backends among which a policy chooses."""

    def __init__(self, backends: Sequence[LiveBackend[WebSocketUrl]], settings: Balance) -> None:
        self._backends = backends
        self._settings = settings
        self._policy: balance.Policy = balance.First(backends)

    def activate(self) -> None:
        make = _POLICIES[self._settings.policy] if self._settings.hash is None else balance.Hash
        self._policy = make(self._backends)
        for index, backend in enumerate(self._backends):
            backend.changed = partial(self._policy.changed, index)

    def candidates(self, key: bytes) -> Iterator[LiveBackend[WebSocketUrl]]:
        tried: set[int] = set()
        while (index := self._policy.choose(key, tried)) is not None:
            tried.add(index)
            yield self._backends[index]
