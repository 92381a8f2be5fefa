"""Keeps the backends of routes with ``to_file`` or ``resolve`` up to date, while the site has the route, and moves
sessions to new ones where ``rebalance`` says so.

Files are read and names resolved in threads, under deadlines: a disk or a name server that hangs holds up nothing. What
fails changes nothing: the backends that are known stay. Each worker does this by itself.
"""

from __future__ import annotations

import logging
import random

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.emit import emit
from wsgate.events.trouble import Trouble
from wsgate.gate.gateway import Gateway
from wsgate.gate.rebalance import rebalance
from wsgate.net.dial import resolve
from wsgate.net.resolver import set_requester
from wsgate.settings.model import TcpAddress
from wsgate.site.backend_file import BackendFileError, NothingListed, WatchedBackendFile
from wsgate.site.members import names_of
from wsgate.site.route import LiveRoute
from wsgate.site.upstream import Upstream

LOOK = 1.0  # seconds until new routes and changes of files are noticed
SETTLE = 0.2  # seconds in which a file must not change any more
DISK_TIME = 5.0  # seconds that a look at a file may take
LOOKUP_TIME = 10.0  # seconds that a lookup of a name may take
FIRST_TIME = 2.0  # seconds that the start waits for the first looks and lookups
MOST_ADDRESSES = 1000  # of a name


async def watch(gateway: Gateway, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Keeps backends up to date until cancelled. It has started when each file and name was looked at once, or after
    ``FIRST_TIME``."""
    watched: dict[LiveRoute, trio.CancelScope] = {}
    async with trio.open_nursery() as nursery:
        while True:
            now = {route for route in gateway.site.routes if _is_watched(route)}
            for route in watched.keys() - now:
                watched.pop(route).cancel()
            began = []
            for route in now - watched.keys():
                watched[route] = trio.CancelScope()
                began.append(_Watch(gateway, route, watched[route]))
                nursery.start_soon(began[-1].run)
            with trio.move_on_after(FIRST_TIME):
                for each in began:
                    await each.has_looked()
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(LOOK)


def _is_watched(route: LiveRoute) -> bool:
    if route.upstream is None:
        return False
    relay = route.upstream.relay
    return any(each is not None for each in (relay.to_file, relay.resolve, relay.rebalance))


class _Watch:
    """The watch of one route, until ``scope`` is cancelled."""

    def __init__(self, gateway: Gateway, route: LiveRoute, scope: trio.CancelScope) -> None:
        assert route.upstream is not None
        self._gateway = gateway
        self._upstream: Upstream = route.upstream
        self._scope = scope
        self._file_read = trio.Event()
        self._resolved = trio.Event()
        self._renamed = trio.Event()  # the file has other names
        self._troubles: dict[TcpAddress, Trouble] = {}

    async def has_looked(self) -> None:
        """Returns when the file was read once, and all names were looked up once."""
        await self._file_read.wait()
        await self._resolved.wait()

    async def run(self) -> None:
        relay = self._upstream.relay
        with self._scope:
            async with trio.open_nursery() as nursery:
                if relay.to_file is not None:
                    nursery.start_soon(self._watch_file, relay.to_file)
                else:
                    self._file_read.set()
                if relay.resolve is not None:
                    nursery.start_soon(self._watch_names, relay.resolve)
                else:
                    self._resolved.set()

                if relay.rebalance is not None:
                    nursery.start_soon(rebalance, self._gateway, self._upstream, relay.rebalance)

    # -- the file ------------------------------------------------------------------------------------------------------

    async def _watch_file(self, path: str) -> None:
        file = WatchedBackendFile(path)
        limiter = thread_limiter("backend file", path, 1)  # a thread that hangs holds it, also after a reload
        is_wrong = False
        slow = Trouble("backend file not read", "backend file read again", route=self._upstream.route, file=path)
        while True:
            try:
                listed = await in_thread(limiter, DISK_TIME, file.look)
                slow.end()
            except trio.TooSlowError:
                listed = None
                slow.begin(f"its disk did not answer within {DISK_TIME:g} s: the backends stay as they are")
            except BackendFileError as error:
                listed = None
                slow.end()
                is_wrong = True
                self._report(path, error)
            if listed is not None:
                if is_wrong:
                    is_wrong = False
                    emit(logging.WARNING, "backend file right again", route=self._upstream.route, file=path)
                names = names_of(self._upstream.entries)
                self._upstream.update(listed=listed)
                if names_of(self._upstream.entries) != names:
                    self._renamed.set()
            self._file_read.set()
            await trio.sleep(SETTLE if file.settles else LOOK)

    def _report(self, path: str, error: BackendFileError) -> None:
        route, listed = self._upstream.route, self._upstream.listed
        is_awaited = isinstance(error, NothingListed) and not listed
        consequence = "it is awaited" if is_awaited else "its backends stay as they were before"
        for problem in error.problems:
            level = logging.WARNING if is_awaited else logging.ERROR
            emit(level, "backend file wrong", route=route, file=path, error=problem, consequence=consequence)

    # -- names ---------------------------------------------------------------------------------------------------------

    async def _watch_names(self, interval: float) -> None:
        set_requester(f"{self._upstream.route} (resolve)", may_be_cached=False)
        await self._file_read.wait()
        while True:
            self._renamed = trio.Event()
            names = names_of(self._upstream.entries)
            self._troubles = {name: self._troubles.get(name) or self._trouble(name) for name in names}
            async with trio.open_nursery() as nursery:
                for name in names:
                    nursery.start_soon(self._resolve, name)
            self._resolved.set()
            with trio.move_on_after(interval * random.uniform(0.9, 1.1)):
                await self._renamed.wait()

    def _trouble(self, name: TcpAddress) -> Trouble:
        return Trouble("name does not resolve", "name resolves again", route=self._upstream.route, name=str(name))

    async def _resolve(self, name: TcpAddress) -> None:
        trouble = self._troubles[name]
        stays = "the addresses that are known stay"
        try:
            with trio.fail_after(LOOKUP_TIME):
                found = await resolve(name)
        except trio.TooSlowError:
            trouble.begin(f"no answer within {LOOKUP_TIME:g} s: {stays}")
        except OSError as error:
            trouble.begin(f"{error.strerror or error}: {stays}")
        else:
            trouble.end()
            self._upstream.update(answers={name: found[:MOST_ADDRESSES]})
