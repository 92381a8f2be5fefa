"""Counts sessions of addresses and users, and upgrades in a second, together with the other gateways on a Redis server.

Theory of operation
-------------------
The limits of this gateway come first (``session_limits``, ``upgrade_rates``); who passes them is asked for here, before
a backend is dialled. One task, ``run``, talks to the server: one call at a time, in a thread, which takes all upgrades
with it that wait at that moment. So numbers arrive in the order in which they were true, and a slow server makes calls
larger instead of more. The task also tells which numbers have become less, and every ``RENEWAL`` seconds all of them,
which renews their leases.

An upgrade waits for ``DEADLINE`` at most, and is let in without an answer. After a failure no upgrade waits: the task
alone tries again after ``PAUSE``, and tells all numbers then. What has become less meanwhile ends with its lease.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import trio

from wsgate.events.trouble import Trouble
from wsgate.gate.client import Client
from wsgate.gate.session_limits import SessionLimits, limits_of
from wsgate.gate.upgrade_rates import address_refusal, gateway_refusal
from wsgate.settings.model import RedisUrl, Settings
from wsgate.site.route import LiveRoute
from wsgate.wire.http import Refusal

if TYPE_CHECKING:  # redis-py is of an extra
    from wsgate.site.shared_redis import Bucket, Empty, SharedRedis

DEADLINE = 0.1  # seconds for an answer
PAUSE = 1.0  # seconds after a failure
RENEWAL = 5.0  # seconds; a third of a lease
_MOST_NAMES = 500  # in a call
_MOST_UPGRADES = 100  # in a call

_OTHERS = "; counted together with the gateways on limits.shared"


@dataclass(slots=True, eq=False)
class _Upgrade:
    """One that waits. ``answer``: ``None`` without one; else the bucket without a token, and the others' sessions"""

    buckets: Sequence[Bucket]
    names: Sequence[str]
    done: trio.Event = field(default_factory=trio.Event)
    answer: tuple[Empty | None, Sequence[int]] | None = None


class SharedLimits:
    """The part of a process in the limits of all gateways. ``limits``: the counts of this process"""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._url: RedisUrl | None = None
        self._redis: SharedRedis | None = None
        self._trouble: Trouble | None = None
        self._well = False
        self._failures = 0
        self._next = math.inf  # when all numbers are told
        self._upgrades: list[_Upgrade] = []
        self._less: dict[str, None] = {}  # names that have fewer sessions than the server knows
        self._wake = trio.Event()
        self._threads = trio.CapacityLimiter(1)
        self._calling = False

    @property
    def is_local(self) -> bool:
        """Whether this process counts for itself because the server does not answer."""
        return self._redis is not None and not self._well

    def take_failures(self) -> int:
        """Returns how many calls have failed since the last time."""
        failures, self._failures = self._failures, 0
        return failures

    def use(self, url: RedisUrl | None) -> None:
        """Uses another server from now on; ``None``: this gateway counts for itself."""
        if url == self._url:
            return
        self._forget()
        if self._redis is not None and not self._calling:  # else the call closes it: a thread reads from it
            self._redis.close()
        self._url, self._redis, self._trouble = url, None, None
        self._well, self._next = False, math.inf
        if url is not None:
            from wsgate.site.shared_redis import SharedRedis  # of the extra redis

            self._redis = SharedRedis(url, DEADLINE)
            self._trouble = Trouble("limits not shared", "limits shared again", redis=url.shown)
            self._well, self._next = True, -math.inf
        self._wake.set()

    def left(self, name: str) -> None:
        """A session of a name has ended."""
        if self._well and _is_shared(name):
            self._less[name] = None
            self._wake.set()

    async def check(
        self, settings: Settings, route: LiveRoute, client: Client, user: str | None, *, rates: bool
    ) -> Refusal | None:
        """Asks whether a session that is counted here may begin. Returns why not.

        rates: upgrades in a second are counted, too
        """
        if not self._well:
            return None
        limits = [each for each in limits_of(settings, route, client, user) if _is_shared(each[0])]
        buckets = _buckets(settings, client) if rates else []
        if not limits and not buckets:
            return None
        upgrade = _Upgrade([bucket for bucket, _ in buckets], [name for name, _, _ in limits])
        self._upgrades.append(upgrade)
        self._wake.set()
        with trio.move_on_after(DEADLINE):
            await upgrade.done.wait()
        if upgrade.answer is None:
            return None
        empty, others = upgrade.answer
        if empty is not None:
            refusal = buckets[empty.bucket][1](empty.lacking)
            return replace(refusal, detail=refusal.detail + _OTHERS)
        for (name, most, refusal), number in zip(limits, others, strict=True):
            if self._limits.number(name) + number > most:
                return replace(refusal, detail=refusal.detail + _OTHERS)
        return None

    async def run(self) -> None:
        """Talks to the server, for ever."""
        try:
            while True:
                with trio.CancelScope(deadline=self._next):
                    await self._wake.wait()
                self._wake = trio.Event()
                redis = self._redis
                if redis is not None and trio.current_time() >= self._next:
                    await self._tell_all(redis)
                while redis is not None and redis is self._redis and self._well and (self._upgrades or self._less):
                    await self._tell(redis, [])
        finally:
            self.use(None)

    async def _tell_all(self, redis: SharedRedis) -> None:
        self._next = trio.current_time() + RENEWAL
        names = [name for name in self._limits.names if _is_shared(name)]
        for at in range(0, max(len(names), 1), _MOST_NAMES):
            if not await self._tell(redis, names[at : at + _MOST_NAMES]):
                return
        if redis is self._redis and self._trouble is not None:
            self._well = True
            self._trouble.end()

    async def _tell(self, redis: SharedRedis, names: Sequence[str]) -> bool:
        """Makes one call, with ``names`` and what waits. Returns whether there was an answer."""
        from wsgate.site.shared_redis import RedisError

        upgrades, self._upgrades = self._upgrades[:_MOST_UPGRADES], self._upgrades[_MOST_UPGRADES:]
        less = list(self._less)[:_MOST_NAMES]
        for name in less:
            del self._less[name]
        asked = dict.fromkeys([*(name for upgrade in upgrades for name in upgrade.names), *less, *names])
        counts = [(name, self._limits.number(name)) for name in asked]
        buckets = [upgrade.buckets for upgrade in upgrades]
        error = f"no answer within {DEADLINE:g} s"
        self._calling = True
        try:
            with trio.move_on_after(DEADLINE):
                empty, others = await trio.to_thread.run_sync(
                    redis.tell, buckets, counts, abandon_on_cancel=True, limiter=self._threads
                )
                numbers = dict(zip(asked, others, strict=True))
                for upgrade, each in zip(upgrades, empty, strict=True):
                    upgrade.answer = each, [numbers[name] for name in upgrade.names]
                return True
        except RedisError as failed:
            error = str(failed)
        finally:
            self._calling = False
            for upgrade in upgrades:
                upgrade.done.set()
            if redis is not self._redis:  # a reload has replaced it meanwhile
                redis.close()
        if redis is self._redis:
            self._fail(error)
        return False

    def _fail(self, error: str) -> None:
        assert self._trouble is not None
        self._well = False
        self._failures += 1
        self._next = trio.current_time() + PAUSE
        self._forget()
        self._trouble.begin(error, consequence="this gateway counts for itself")

    def _forget(self) -> None:
        """Lets in who waits, and forgets what has become less: those leases end."""
        for upgrade in self._upgrades:
            upgrade.done.set()
        self._upgrades.clear()
        self._less.clear()


def _is_shared(name: str) -> bool:
    """Whether the other gateways count a name, too. A route's own number is that of one gateway."""
    return not name.startswith("route ")


def _buckets(settings: Settings, client: Client) -> list[tuple[Bucket, Callable[[int], Refusal]]]:
    """Returns the buckets of which an upgrade takes a token, each with the answer if it has none."""
    from wsgate.site.shared_redis import Bucket

    limits, address = settings.limits, client.counted_as
    buckets: list[tuple[Bucket, Callable[[int], Refusal]]] = []
    if limits.upgrades_per_second_per_address is not None and address is not None:
        buckets.append((Bucket(f"address {address}", limits.upgrades_per_second_per_address), address_refusal))
    if limits.upgrades_per_second is not None:
        buckets.append((Bucket("gateway", limits.upgrades_per_second), gateway_refusal))
    return buckets
