"""The backends of a relay route: chooses one for the next session, and ejects failing ones.

A process decides by its own sessions and failures, each worker for itself.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import trio

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
    """The backends of a route.

    relay: the route's settings
    previous: of the route before a reload; backends in both stay the same objects
    backends: in the order of the configuration
    secret: for the values of cookies, which nobody else can make
    hash_key: the part of a request that is the key for ``candidates``; ``None`` if none is needed
    cookie: the name of the cookie that brings a client back to its backend; ``None`` without one
    """

    def __init__(self, route: str, relay: Relay, previous: Upstream | None = None, secret: bytes = b"") -> None:
        known = {} if previous is None else {each.name: each for each in previous.backends}
        self._active = False
        self._settings = relay.to
        self.backends: Sequence[LiveBackend[WebSocketUrl]] = [
            known.get(str(each)) or LiveBackend(route, each.url) for each in relay.to
        ]
        self.eject = relay.eject
        self.relay = relay
        if relay.health is None:  # without checks nothing would mark a backend as healthy again
            for each in self.backends:
                each.healthy = True
        self.hash_key = relay.balance.hash
        self.cookie = relay.balance.cookie
        self._by_cookie = {_sign(secret, route, each.name): each for each in self.backends} if self.cookie else {}
        groups = (self._of(backup=False), self._of(backup=True))
        self._groups = [_Group(group, relay.balance) for group in groups if group]

    @property
    def early(self) -> float | None:
        """Seconds after the start within which an abnormal end of a session counts as a failure of its backend."""
        return None if self.eject is None else self.eject.early

    def candidates(
        self, key: bytes = b"", cookie: str | None = None, *, plain: bool = False
    ) -> Iterator[LiveBackend[WebSocketUrl]]:
        """Yields the backends to try for one session, the best first, backups last. Each is chosen when it is needed.

        Behind all of them come the ejected ones: to try one of those is better than to have tried none that works.

        key: of the request, if ``hash_key`` is not ``None``
        cookie: the value of the client's cookie; its backend is the first
        plain: for a request over plain HTTP: backends with as many sessions as they may have get it, too
        """
        if not self._active:
            self._activate()
        known = None if cookie is None else self._by_cookie.get(cookie)
        tried: list[LiveBackend[WebSocketUrl]] = []
        now = trio.current_time()
        if known is not None and (known.works if plain else known.usable):
            tried.append(known)
            yield known
        for group in self._groups:
            for backend in group.candidates(key, now, plain):
                if backend not in tried:
                    tried.append(backend)
                    yield backend
        for backend in self.backends:
            if backend.is_ejected and backend.healthy and (plain or backend.has_place) and backend not in tried:
                yield backend

    def cookie_of(self, backend: LiveBackend[WebSocketUrl]) -> str:
        """Returns the value of the cookie for a backend."""
        return next(value for value, each in self._by_cookie.items() if each is backend)

    def _activate(self) -> None:
        """Connects the backends to this upstream and its settings. Called at the first session, so that a site that is
        built and not used changes nothing."""
        self._active = True
        for backend, settings in zip(self.backends, self._settings, strict=True):
            backend.weight, backend.cap = settings.weight, settings.sessions
            backend.slow_start = None if self.relay.health is None else self.relay.health.slow_start
            backend.may_eject = partial(self._may_eject, backend)
        for group in self._groups:
            group.activate()

    def _of(self, *, backup: bool) -> list[LiveBackend[WebSocketUrl]]:
        alone = all(each.backup for each in self._settings)  # if all are backups, none is
        pairs = zip(self.backends, self._settings, strict=True)
        return [live for live, each in pairs if (each.backup and not alone) is backup]

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
        self._backends = backends
        self._settings = settings
        self._policy: balance.Policy = balance.First(backends)

    def activate(self) -> None:
        make = _POLICIES[self._settings.policy] if self._settings.hash is None else balance.Hash
        self._policy = make(self._backends)
        for index, backend in enumerate(self._backends):
            backend.changed = partial(self._policy.changed, index)

    def candidates(self, key: bytes, now: float, plain: bool) -> Iterator[LiveBackend[WebSocketUrl]]:
        tried: set[int] = set()
        while (index := self._policy.choose(key, tried, now, plain=plain)) is not None:
            tried.add(index)
            yield self._backends[index]
