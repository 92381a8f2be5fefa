"""Names to addresses, by the system's resolver, so that no name holds up another.

Theory of operation
-------------------
A lookup may take as long as somebody's DNS likes, and nothing can end its thread before: not even the deadline of who
has asked. So a name that does not answer must not take what others need:

- The same question is asked once: whoever asks meanwhile waits, under a deadline of their own, for the same answer.
  A thousand clients of one dead name hold one thread.
- Each *lane*, the route or the source for which a name is looked up, has a few places, and so have all together. Who
  names many dead names fills its own lane.
- A literal address is looked up at once, without a thread. Names of /etc/hosts, which the system answers by itself,
  have places that nobody else can take.
- An answer is kept for a few seconds, a failure for one: what a name means may change.

trio asks this resolver through ``trio.socket.getaddrinfo``; ``lane`` says for whom.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import trio

from wsgate.events.emit import emit

PLACES = 128  # lookups at once
LANE_PLACES = 8  # of one lane
HOSTS_PLACES = 8  # of the names of /etc/hosts
KEPT = 5.0  # seconds, an answer
KEPT_FAILURE = 1.0  # seconds
_MOST_KEPT = 1024  # answers
_MOST_HOSTS = 1 << 20  # bytes of /etc/hosts
_LOOK = 1.0  # seconds between two looks at /etc/hosts
_PATIENCE = 0.1  # seconds for such a look: its disk may hang
_SAY_AGAIN = 60.0  # seconds between two lines about the same lane

Key = tuple[Any, ...]  # what was asked, but for the port

_lane: ContextVar[str] = ContextVar("lane", default="")


@contextmanager
def lane(name: str) -> Iterator[None]:
    """Names are looked up for ``name`` here: a route, or a source of tokens."""
    before = _lane.set(name)
    try:
        yield
    finally:
        _lane.reset(before)


def lane_name() -> str:
    """For whom names are looked up here; empty where nobody has said."""
    return _lane.get()


class _Question:
    """A lookup that is under way."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.found: list[Any] | OSError | None = None


class Resolver(trio.abc.HostnameResolver):
    """For ``trio.socket.set_custom_hostname_resolver``; for one run of trio."""

    def __init__(self, hosts: str = "/etc/hosts") -> None:
        self._hosts = _HostsFile(hosts)
        self._places = trio.CapacityLimiter(PLACES)
        self._own_places = trio.CapacityLimiter(HOSTS_PLACES)
        self._lanes: dict[str, _Lane] = {}
        self._asked: dict[Key, _Question] = {}
        self._kept: OrderedDict[Key, tuple[float, list[Any] | OSError]] = OrderedDict()

    async def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """As ``socket.getaddrinfo``. Whoever is cancelled leaves a thread behind, in the place of its lane."""
        if _is_literal(host) or flags & socket.AI_NUMERICHOST:
            return socket.getaddrinfo(host, port, family, type, proto, flags)  # no file is opened, nobody is asked
        found = await self._find(host, (host, family, type, proto, flags))
        if isinstance(found, OSError):
            raise found
        return [(*rest, (where[0], port, *where[2:])) for *rest, where in found]

    async def getnameinfo(self, *asked: Any) -> Any:
        """As ``socket.getnameinfo``. Nobody here asks for names."""
        return await trio.to_thread.run_sync(socket.getnameinfo, *asked, abandon_on_cancel=True, limiter=self._places)

    async def _find(self, host: Any, key: Key) -> list[Any] | OSError:
        while not self._is_kept(key):
            question = self._asked.get(key)
            if question is not None:
                await question.answered.wait()
                assert question.found is not None
                return question.found
            await self._begin(host, key)
        return self._kept[key][1]

    def _is_kept(self, key: Key) -> bool:
        return key in self._kept and trio.current_time() < self._kept[key][0]

    async def _begin(self, host: Any, key: Key) -> None:
        """Ask in a thread, when there is a place; unless somebody else has begun meanwhile."""
        question = _Question()
        limiters = [self._own_places] if await self._hosts.has(host) else [self._lane().places, self._places]
        taken: list[trio.CapacityLimiter] = []
        try:
            for limiter in limiters:
                await limiter.acquire_on_behalf_of(question)
                taken.append(limiter)
                if key in self._asked or self._is_kept(key):
                    return
            self._asked[key] = question
            token = trio.lowlevel.current_trio_token()
            trio.lowlevel.start_thread_soon(
                partial(_look_up, *key), partial(_deliver, token, self._take, key, limiters)
            )
            taken.clear()  # they are the thread's
        finally:
            for limiter in taken:
                limiter.release_on_behalf_of(question)

    def _lane(self) -> _Lane:
        name = lane_name()
        if name not in self._lanes:
            self._lanes[name] = _Lane(name)
        found = self._lanes[name]
        found.look()
        return found

    def _take(self, key: Key, limiters: list[trio.CapacityLimiter], found: list[Any] | OSError) -> None:
        """A thread has ended."""
        question = self._asked.pop(key)
        for limiter in limiters:
            limiter.release_on_behalf_of(question)
        seconds = KEPT_FAILURE if isinstance(found, OSError) else KEPT
        self._kept[key] = (trio.current_time() + seconds, found)
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        question.found = found
        question.answered.set()


class _Lane:
    """The places of one route or source."""

    def __init__(self, name: str) -> None:
        self.places = trio.CapacityLimiter(LANE_PLACES)
        self._name = name
        self._said = -_SAY_AGAIN

    def look(self) -> None:
        """Say so, once in a while, where all of them are taken."""
        now = trio.current_time()
        if not self.places.available_tokens and now >= self._said + _SAY_AGAIN:
            self._said = now
            emit(
                logging.WARNING,
                "names do not resolve",
                route=self._name or None,
                waiting=int(self.places.borrowed_tokens),
                reason="the name server does not answer for them; others of this route wait for a place",
            )


class _HostsFile:
    """The names that the system knows by itself (hosts(5)), read again when the file changes.

    It is looked at in a thread of its own: where that hangs, what was read last is what counts.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._limiter = trio.CapacityLimiter(1)
        self._stamp: tuple[int, ...] = ()
        self._names = frozenset({b"localhost"})
        self._looked = -_LOOK

    async def has(self, host: Any) -> bool:
        now = trio.current_time()
        if now >= self._looked + _LOOK:
            self._looked = now
            with trio.move_on_after(_PATIENCE):
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
                data = file.read(_MOST_HOSTS)
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
    """On the thread."""
    try:
        return socket.getaddrinfo(host, None, family, type, proto, flags)
    except OSError as error:
        return error
    except UnicodeError as error:  # of a text that IDNA does not take
        return socket.gaierror(socket.EAI_NONAME, str(error))


def _deliver(token: trio.lowlevel.TrioToken, take: Any, key: Key, limiters: Any, outcome: Any) -> None:
    """From the thread to the loop, if that still runs."""
    found = outcome.unwrap()
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(take, key, limiters, found)
