"""Resolves names by the system's resolver, so that a slow name does not delay other names.

Theory of operation
-------------------
A lookup takes as long as the name server needs, and its thread cannot be stopped, not even by the caller's deadline. So
a name without an answer must not use up what other names need:

- The same name is looked up once at a time. Later callers wait for the same answer, each under its own deadline. A
  thousand clients of a dead name use one thread.
- Each *requester*, the route or token source for which a name is looked up, may run a few lookups at once. A requester
  with many dead names uses up only its own lookups. There is a limit for all requesters too.
- A literal address needs no thread. Names of /etc/hosts, which the system answers without a name server, have a limit
  of their own.
- An answer is cached for a few seconds, a failure for one: the addresses of a name may change. A task that follows the
  changes of a name gets none that is cached.

trio uses this resolver for ``trio.socket.getaddrinfo``; ``set_requester`` sets the requester.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections import OrderedDict
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import trio

from wsgate.events.emit import emit

ALL_LOOKUPS = 128  # lookups at once
REQUESTER_LOOKUPS = 8  # of one requester
HOSTS_LOOKUPS = 8  # of the names of /etc/hosts
ANSWER_TTL = 5.0  # seconds that an answer is cached
FAILURE_TTL = 1.0  # seconds that a failure is cached
_MAX_CACHED = 1024  # answers
_MAX_HOSTS = 1 << 20  # bytes of /etc/hosts
_CHECK = 1.0  # seconds between two checks of /etc/hosts
_CHECK_TIMEOUT = 0.1  # seconds that such a check may take: its disk may hang
_LOG_AGAIN = 60.0  # seconds between two log lines about the same requester

_LookupKey = tuple[Any, ...]  # the arguments of the lookup without the port

_requester: ContextVar[str] = ContextVar("requester", default="")
_may_be_cached: ContextVar[bool] = ContextVar("may_be_cached", default=True)


def set_requester(name: str, *, may_be_cached: bool = True) -> None:
    """Sets the requester of all lookups of this task from now on, and of the tasks that it starts.

    name: of a route or a token source
    may_be_cached: answers may be some seconds old
    """
    _requester.set(name)
    _may_be_cached.set(may_be_cached)


def requester_name() -> str:
    """Returns the present requester; empty if none was set."""
    return _requester.get()


class _Lookup:
    """A running lookup."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.found: list[Any] | OSError | None = None


class Resolver(trio.abc.HostnameResolver):
    """A resolver for ``trio.socket.set_custom_hostname_resolver``, for one run of trio."""

    def __init__(self, hosts: str = "/etc/hosts") -> None:
        self._hosts = _HostsFile(hosts)
        self._limiter = trio.CapacityLimiter(ALL_LOOKUPS)
        self._hosts_limiter = trio.CapacityLimiter(HOSTS_LOOKUPS)
        self._requesters: dict[str, _Requester] = {}
        self._running: dict[_LookupKey, _Lookup] = {}
        self._cache: OrderedDict[_LookupKey, tuple[float, list[Any] | OSError]] = OrderedDict()

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """Like ``socket.getaddrinfo``. After a cancellation the thread runs on and counts for its requester's limit."""
        if _is_literal(host) or flags & socket.AI_NUMERICHOST:
            return socket.getaddrinfo(host, port, family, type, proto, flags)  # needs no file and no name server
        found = await self._find(host, (host, family, type, proto, flags))
        if isinstance(found, OSError):
            raise found
        return [(*rest, (where[0], port, *where[2:])) for *rest, where in found]

    async def getnameinfo(self, *asked: Any) -> Any:
        """Like ``socket.getnameinfo``; not used here, but part of the interface."""
        return await trio.to_thread.run_sync(socket.getnameinfo, *asked, abandon_on_cancel=True, limiter=self._limiter)

    async def _find(self, host: Any, key: _LookupKey) -> list[Any] | OSError:
        while not self._is_cached(key):
            lookup = self._running.get(key)
            if lookup is not None:
                await lookup.answered.wait()
                assert lookup.found is not None
                return lookup.found
            await self._begin(host, key)
        return self._cache[key][1]

    def _is_cached(self, key: _LookupKey) -> bool:
        return _may_be_cached.get() and key in self._cache and trio.current_time() < self._cache[key][0]

    async def _begin(self, host: Any, key: _LookupKey) -> None:
        """Starts a lookup in a thread when the limits allow it, unless another task has started it meanwhile."""
        lookup = _Lookup()
        limiters = (
            [self._hosts_limiter] if await self._hosts.has(host) else [self._present_requester().limiter, self._limiter]
        )
        taken: list[trio.CapacityLimiter] = []
        try:
            for limiter in limiters:
                await limiter.acquire_on_behalf_of(lookup)
                taken.append(limiter)
                if key in self._running or self._is_cached(key):
                    return
            self._running[key] = lookup
            token = trio.lowlevel.current_trio_token()
            trio.lowlevel.start_thread_soon(
                partial(_look_up, *key), partial(_deliver, token, self._finish, key, limiters)
            )
            taken.clear()  # the thread releases them
        finally:
            for limiter in taken:
                limiter.release_on_behalf_of(lookup)

    def _present_requester(self) -> _Requester:
        name = requester_name()
        if name not in self._requesters:
            self._requesters[name] = _Requester(name)
        found = self._requesters[name]
        found.check()
        return found

    def _finish(self, key: _LookupKey, limiters: list[trio.CapacityLimiter], found: list[Any] | OSError) -> None:
        """A lookup has ended: caches its result and wakes the waiting tasks."""
        lookup = self._running.pop(key)
        for limiter in limiters:
            limiter.release_on_behalf_of(lookup)
        seconds = FAILURE_TTL if isinstance(found, OSError) else ANSWER_TTL
        self._cache[key] = (trio.current_time() + seconds, found)
        self._cache.move_to_end(key)
        if len(self._cache) > _MAX_CACHED:
            self._cache.popitem(last=False)
        lookup.found = found
        lookup.answered.set()


class _Requester:
    """The limit of one requester."""

    def __init__(self, name: str) -> None:
        self.limiter = trio.CapacityLimiter(REQUESTER_LOOKUPS)
        self._name = name
        self._logged = -_LOG_AGAIN

    def check(self) -> None:
        """Logs, at most once in ``_LOG_AGAIN`` seconds, that the limit is reached."""
        now = trio.current_time()
        if not self.limiter.available_tokens and now >= self._logged + _LOG_AGAIN:
            self._logged = now
            emit(
                logging.WARNING,
                "names do not resolve",
                route=self._name or None,
                waiting=int(self.limiter.borrowed_tokens),
                reason="the name server does not answer for them; others of this route wait for a place",
            )


class _HostsFile:
    """The names in /etc/hosts (hosts(5)), read again when the file changes.

    A thread of its own reads the file. If that hangs, the names that were read last are used.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._limiter = trio.CapacityLimiter(1)
        self._stamp: tuple[int, ...] = ()
        self._names = frozenset({b"localhost"})
        self._checked = -_CHECK

    async def has(self, host: Any) -> bool:
        now = trio.current_time()
        if now >= self._checked + _CHECK:
            self._checked = now
            with trio.move_on_after(_CHECK_TIMEOUT):
                await trio.to_thread.run_sync(self._read, abandon_on_cancel=True, limiter=self._limiter)
        name = host if isinstance(host, bytes) else str(host).encode("ascii", "ignore")
        return name.lower() in self._names

    def _read(self) -> None:
        try:
            found = os.stat(self._path)
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            with open(self._path, "rb") as file:
                data = file.read(_MAX_HOSTS)
        except OSError:
            return
        words = (line.partition(b"#")[0].split() for line in data.splitlines())
        self._names = frozenset({b"localhost", *(name.lower() for line in words for name in line[1:])})
        self._stamp = stamp


def _is_literal(host: Any) -> bool:
    try:
        ipaddress.ip_address(host.decode("ascii") if isinstance(host, bytes) else host)
    except ValueError:  # UnicodeDecodeError is one
        return False
    return True


def _look_up(host: Any, family: int, type: int, proto: int, flags: int) -> list[Any] | OSError:
    """Looks a name up; runs in a thread."""
    try:
        return socket.getaddrinfo(host, None, family, type, proto, flags)
    except OSError as error:
        return error
    except UnicodeError as error:  # IDNA cannot encode the name
        return socket.gaierror(socket.EAI_NONAME, str(error))


def _deliver(token: trio.lowlevel.TrioToken, take: Any, key: _LookupKey, limiters: Any, outcome: Any) -> None:
    """Passes the result from the thread to the event loop, if it still runs."""
    found = outcome.unwrap()
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(take, key, limiters, found)
