"""HUP: what the file says now, instead of what it said before, without touching what did not change.

First everything that can fail, beside the running gateway: the file is checked whole, the certificates are read, the
listeners that are new are opened. If anything is wrong all stays as it was. Then one step without a pause: settings,
routes, listeners. Handshakes under way keep the route that they have found, connections the settings of the listener
that they came in by, sessions everything.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import trio

from wsgate.disk.threads import in_thread, threads
from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.ops.certificates import CertificateError, Certificates, Contexts, Key, Loaded
from wsgate.ops.changes import differences, keys, show
from wsgate.ops.checking import DEADLINE, MOST_HUNG, SLOW, TOO_SLOW, Checked, CheckError
from wsgate.ops.drain import tell
from wsgate.ops.listeners import ListenError, adjust, look_up
from wsgate.ops.log import set_up
from wsgate.ops.open_listeners import DISK_TIME, ListenerOpener, Opening, OpenListener, OpenListeners, close_in_thread
from wsgate.ops.sources import SourcesError, open_lookups
from wsgate.relay.session import Session
from wsgate.settings.model import Listener, OnReload, Route, Settings, TcpAddress
from wsgate.settings.problem import ConfigError, Problem
from wsgate.site.router import Router
from wsgate.site.tokens.lookups import Lookups

_log = logging.getLogger("wsgate")

Load = Callable[[], Settings]

# Why a reload changes nothing
Refused = ConfigError | CertificateError | SourcesError | ListenError | CheckError

_STAYS = "everything stays as it was"
_ASKED_AGAIN = "it waited for a disk or a plugin's import, and was asked for again"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings, and what is made of them."""

    settings: Settings
    router: Router
    contexts: Contexts
    lookups: dict[str, Lookups]


def prepare(load: Load, current: Settings, certificates: Mapping[Key, Loaded], lookups: Mapping[str, Lookups]) -> Plan:
    """Read the settings anew, and every file that they name. Routes that did not change stay the same objects, and so
    do ``certificates`` and ``lookups``.

    Not for the event loop. Raises ``ConfigError``, ``CertificateError`` and ``SourcesError``.
    """
    settings = load()
    known = {route: route for route in current.routes}
    settings = replace(settings, routes=tuple(known.get(route, route) for route in settings.routes))
    contexts = Certificates.load(settings, certificates)
    return Plan(settings, Router(settings.routes), contexts, open_lookups(settings, lookups))


def log_warning(warning: Problem) -> None:
    """Say what the file probably does not mean, at the start and at a reload."""
    emit(logging.WARNING, "configuration warning", problem=str(warning))


def check(load: Load, current: Settings, certificates: Mapping[Key, Loaded]) -> Checked:
    """Read the settings anew and try all that they name, in a process that ends with that. Raises as ``prepare``, and
    ``ListenError`` where the name of a new listener leads nowhere."""
    settings = load()
    logging.getLogger("wsgate").setLevel(logging.ERROR)  # each worker will warn of the same
    Certificates.load(settings, certificates)
    for lookups in open_lookups(settings).values():
        lookups.close()
    binds = {listener.bind for listener in current.listeners}
    return Checked(settings, look_up([listener for listener in settings.listeners if listener.bind not in binds]))


def log_slow() -> None:
    """Say that a reload takes long, and why that may be."""
    emit(
        logging.WARNING,
        "reload waits",
        reason="the file, or one that it names, is not read yet: its disk or the import of a plugin may hang",
        cure="mend it and send HUP again, which begins anew",
    )


def log_refusal(error: Refused, hint: str | None = None) -> None:
    """Say why a reload changes nothing."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            emit(logging.ERROR, "wrong configuration", problem=str(problem))
        emit(logging.ERROR, "reload refused", reason=f"the file is wrong: {_STAYS}", errors=len(error.problems))
    elif isinstance(error, CertificateError | SourcesError):
        for message in error.messages:
            emit(logging.ERROR, "wrong configuration", problem=message)
        emit(logging.ERROR, "reload refused", reason=f"a file that it names is wrong: {_STAYS}")
    else:
        emit(logging.ERROR, "reload refused", reason=f"{error}; {_STAYS}", hint=hint)


def keep_workers(before: Settings, now: Settings) -> Settings:
    """The new settings with the old number of processes: it cannot change while they run, and the log says so."""
    if now.workers == before.workers:
        return now
    emit(
        logging.WARNING,
        "restart needed",
        setting="workers",
        before=show(before.workers, "workers", before.from_environment),
        now=show(now.workers, "workers", now.from_environment),
        reason="the number of processes cannot change while they run",
    )
    return replace(now, workers=before.workers)  # said again at every reload, as long as it is true


class Reloader:
    """Reloads, one at a time. Whoever asks during one gets another after it.

    certificates: watches over the contexts of the gateway and its doors
    load: ``None`` where there is no file
    open_more: opens the listeners that are new
    background: the nursery of the tasks that end when the gateway begins to stop
    busy: told True when a reload begins, and False when it is over, done or refused
    """

    def __init__(
        self,
        gateway: Gateway,
        doors: OpenListeners,
        certificates: Certificates,
        *,
        load: Load | None,
        open_more: ListenerOpener,
        background: trio.Nursery,
        busy: Callable[[bool], None],
    ) -> None:
        self._gateway = gateway
        self._doors = doors
        self._certificates = certificates
        self._load = load
        self._open_more = open_more
        self._background = background
        self._busy = busy
        self._asked = trio.Event()
        self._working = False
        self._scope = trio.CancelScope()
        self._slow: trio.CancelScope | None = None  # of an attempt that waits for a disk, or for a plugin's import
        self._threads = trio.CapacityLimiter(MOST_HUNG)  # held by those that are given up, too, until they end

    def ask(self) -> None:
        """Reload, now or after the reload that is under way, which may have read the file already.

        One that waits for what may hang is given up: whoever asks may have mended it.
        """
        self._asked.set()
        if self._slow is not None:
            self._slow.cancel()

    def stop(self) -> None:
        """The gateway stops: give up what is under way, and begin nothing more."""
        if self._working or self._asked.is_set():
            emit(logging.WARNING, "reload ignored", reason="the gateway is stopping")
        self._scope.cancel()

    async def run(self) -> None:
        """Wait until somebody asks, reload, and so on; until ``stop``."""
        with self._scope:
            while True:
                await self._asked.wait()
                self._asked = trio.Event()
                self._working = True
                self._busy(True)
                try:
                    await self._reload()
                except Exception:  # our own bug is no reason to end the sessions
                    _log.exception("internal error: please report it", extra={"event": "bug"})
                if not self._scope.cancel_called:
                    self._working = False
                    self._busy(False)

    async def _reload(self) -> None:
        if self._load is None:
            emit(logging.WARNING, "reload refused", reason="there is no configuration file to read again")
            return
        try:
            plan = await self._in_time(
                prepare,
                self._load,
                self._gateway.settings,
                self._certificates.loaded,
                dict(self._gateway.lookups),
            )
            stay = self._find_doors(plan.settings.listeners)
            new = [listener for listener, door in zip(plan.settings.listeners, stay, strict=True) if door is None]
            opening = Opening(self._open_more)
            try:
                await self._in_time(opening.open, new)
                sockets = opening.take()
            finally:
                await opening.give_up()
        except (ConfigError, CertificateError, SourcesError, CheckError) as error:
            log_refusal(error)
            return
        except ListenError as error:
            log_refusal(error, hint=self._overlap(stay, new))
            return
        try:
            not_adjusted = await self._adjust(plan.settings.listeners, stay)
        finally:
            if self._scope.cancel_called:
                for sock in sockets:
                    await close_in_thread(sock)
        if self._scope.cancel_called:
            return
        self._commit(plan, stay, sockets, not_adjusted)

    async def _adjust(
        self, listeners: Sequence[Listener], stay: Sequence[OpenListener | None]
    ) -> dict[OpenListener, str]:
        """Give the sockets that stay what else is said of them now. Returns why that could not be done.

        In a thread: a Unix socket's file may lie on a disk that hangs.
        """
        failed = {}
        for listener, door in zip(listeners, stay, strict=True):
            if door is not None and door.entrance.listener != listener:
                try:
                    limiter = threads("listeners", str(listener.bind), 1)
                    await in_thread(limiter, DISK_TIME, partial(adjust, door.sock, listener))
                except OSError as error:
                    failed[door] = error.strerror or str(error)
                except trio.TooSlowError:
                    failed[door] = f"the disk of its file did not answer within {DISK_TIME:g} s"
        return failed

    async def _in_time(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what may wait for a disk or a plugin, in a thread that is given up when it takes too long.

        Raises ``CheckError``, and what ``work`` raises.
        """
        if not self._threads.available_tokens:
            raise CheckError(f"{MOST_HUNG} earlier reloads still hang, in a disk or a plugin's import: restart it")
        result: list[T] = []
        failure: list[Exception] = []

        def attempt() -> None:
            try:
                result.append(work(*arguments))
            except Exception as error:
                failure.append(error)

        async with trio.open_nursery() as nursery:  # no exception leaves it
            nursery.start_soon(self._watch_slowness, nursery.cancel_scope)
            nursery.cancel_scope.deadline = trio.current_time() + DEADLINE
            await trio.to_thread.run_sync(attempt, abandon_on_cancel=True, limiter=self._threads)
            nursery.cancel_scope.cancel()
        slow, self._slow = self._slow, None
        if failure:
            raise failure[0]
        if not result:
            raise CheckError(_ASKED_AGAIN if slow is not None and self._asked.is_set() else TOO_SLOW)
        return result[0]

    async def _watch_slowness(self, scope: trio.CancelScope) -> None:
        await trio.sleep(SLOW)
        log_slow()
        self._slow = scope

    def _find_doors(self, listeners: Sequence[Listener]) -> list[OpenListener | None]:
        """The open door of each listener; one without has yet to be opened."""
        free = list(self._doors)
        found: list[OpenListener | None] = []
        for listener in listeners:
            door = next((door for door in free if door.entrance.listener.bind == listener.bind), None)
            if door is not None:
                free.remove(door)
            found.append(door)
        return found

    def _overlap(self, stay: Sequence[OpenListener | None], new: Sequence[Listener]) -> str | None:
        """Why an address may be taken by ourselves: two binds can overlap, like 0.0.0.0:80 and 127.0.0.1:80."""
        ports = {listener.bind.port for listener in new if isinstance(listener.bind, TcpAddress)}
        for door in self._doors:
            address = door.address
            if door not in stay and isinstance(address, TcpAddress) and address.port in ports:
                return f"this gateway itself still listens on {address}, which overlaps: restart it for this change"
        return None

    # -- one step, without a pause -------------------------------------------------------------------------------------

    def _commit(
        self,
        plan: Plan,
        stay: Sequence[OpenListener | None],
        sockets: Sequence[socket.socket],
        not_adjusted: Mapping[OpenListener, str],
    ) -> None:
        before, now = self._gateway.settings, plan.settings
        if now.log != before.log:
            set_up(now.log)
        now = keep_workers(before, now)
        for lookups in set(self._gateway.lookups.values()) - set(plan.lookups.values()):
            lookups.close()
        self._gateway.adopt(now, plan.router, plan.contexts.backends, plan.lookups)
        changes = self._change_settings(before, now)
        changes += self._change_listeners(plan, stay, sockets, not_adjusted)
        changes += self._change_routes(before.routes, now.routes)
        self._certificates.adopt(plan.contexts)
        emit(logging.INFO, "reloaded", changes=changes)

    def _change_settings(self, before: Settings, now: Settings) -> int:
        changes = 0
        for name in ("defaults", "trusted_proxies", "limits", "drain", "log"):
            for difference in differences(getattr(before, name), getattr(now, name), name):
                emit(
                    logging.INFO,
                    "setting changed",
                    setting=difference.key,
                    before=show(difference.before, difference.key, before.from_environment),
                    now=show(difference.now, difference.key, now.from_environment),
                )
                changes += 1
        return changes

    def _change_listeners(
        self,
        plan: Plan,
        stay: Sequence[OpenListener | None],
        sockets: Sequence[socket.socket],
        not_adjusted: Mapping[OpenListener, str],
    ) -> int:
        changes = 0
        for door in [door for door in self._doors if door not in stay]:
            self._doors.close(door)
            changes += 1
        opened = iter(sockets)
        for listener, kept in zip(plan.settings.listeners, stay, strict=True):
            entrance = plan.contexts.entrance(listener)
            if kept is None:
                door = self._doors.open(next(opened), entrance)
                emit(logging.INFO, "listener added", address=str(door.address))
                changes += 1
            elif kept.entrance.listener == listener:
                kept.entrance.context = entrance.context
            else:
                emit(
                    logging.INFO,
                    "listener changed",
                    address=str(kept.address),
                    changed=keys(kept.entrance.listener, listener),
                )
                if kept in not_adjusted:
                    error = f"its socket keeps its mode and backlog: {not_adjusted[kept]}"
                    emit(logging.WARNING, "listener not adjusted", address=str(kept.address), error=error)
                self._doors.change(kept, entrance)
                changes += 1
        return changes

    def _change_routes(self, before: Sequence[Route], now: Sequence[Route]) -> int:
        drained: list[Session] = []
        by_route: dict[int, list[Session]] = {}  # a route's hash would look at all of its settings
        for session in self._gateway.sessions:
            by_route.setdefault(id(session.route), []).append(session)
        by_name = {route.name: route for route in now}
        changes = 0
        for old in before:
            new = by_name.get(old.name)
            if new is old:
                continue
            changes += 1
            sessions = by_route.get(id(old), [])
            drains = old.on_reload is OnReload.DRAIN
            if new is not None and replace(old, on_reload=new.on_reload) == new:
                # nothing that a session is made of; from now on they do what the route says now
                for session in sessions:
                    session.route = new
                drains = False
            if drains:
                drained += sessions
            emit(
                logging.INFO,
                "route removed" if new is None else "route changed",
                route=old.name,
                changed=None if new is None else keys(old, new),
                **{"drained" if drains else "kept": len(sessions)},
            )
        names = {route.name for route in before}
        for route in now:
            if route.name not in names:
                emit(logging.INFO, "route added", route=route.name)
                changes += 1
        order = [route.name for route in now if route.name in names]
        if order != [route.name for route in before if route.name in by_name]:
            emit(logging.INFO, "routes reordered", routes=", ".join(route.name for route in now))
            changes += 1
        if drained:
            self._background.start_soon(tell, drained, self._gateway.settings.drain)
        return changes
