"""Reloads the configuration after HUP, without changing what stayed the same in it.

First everything that can fail is done beside the running gateway: the file is checked completely, certificates are
read, new listeners are opened. If anything fails, nothing changes. Then settings, routes and listeners are replaced in
one step without an await. A running handshake keeps its route, a connection the settings of its listener, a session
everything.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from wsgate.disk.threads import in_thread, thread_limiter
from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.ops.certificates import CertificateWatch
from wsgate.ops.changes import differences, keys, show
from wsgate.ops.checking import DEADLINE, MOST_HUNG, SLOW, TOO_SLOW, CheckError
from wsgate.ops.drain import drain_sessions
from wsgate.ops.listeners import ListenError, adjust
from wsgate.ops.log import set_up
from wsgate.ops.open_listeners import DISK_TIME, ListenerOpener, Opening, OpenListener, OpenListeners, close_in_thread
from wsgate.ops.reread import Load, Refused, keep_fixed, log_refusal, log_slow, prepare
from wsgate.relay.session import Session
from wsgate.settings.model import Listener, OnReload, Settings, TcpAddress
from wsgate.settings.problem import ConfigError
from wsgate.site.build import discard
from wsgate.site.listener import LiveListener
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site

_log = logging.getLogger("wsgate")

_ASKED_AGAIN = "it waited for a disk or a plugin's import, and was asked for again"

T = TypeVar("T")


class Reloader:
    """Does reloads, one at a time. A request during a reload starts another one after it.

    certificates: the watch of the site's certificates
    load: reads the settings; ``None`` without a file
    open_more: opens new listeners
    background: the nursery of the tasks that end when the gateway starts to stop
    busy: called with True when a reload begins, with False when it is over, done or refused
    """

    def __init__(
        self,
        gateway: Gateway,
        listeners: OpenListeners,
        certificates: CertificateWatch,
        *,
        load: Load | None,
        open_more: ListenerOpener,
        background: trio.Nursery,
        busy: Callable[[bool], None],
    ) -> None:
        self._gateway = gateway
        self._listeners = listeners
        self._certificates = certificates
        self._load = load
        self._open_more = open_more
        self._background = background
        self._busy = busy
        self._asked = trio.Event()
        self._working = False
        self._scope = trio.CancelScope()
        self._slow: trio.CancelScope | None = None  # of an attempt that waits for a disk, or for a plugin's import
        self._threads = trio.CapacityLimiter(MOST_HUNG)  # abandoned attempts hold it too, until they end

    def ask(self) -> None:
        """Requests a reload: now, or after the running one, which may have read the file already.

        A reload that waits for a disk or an import is abandoned, because its cause may be repaired now.
        """
        self._asked.set()
        if self._slow is not None:
            self._slow.cancel()

    def stop(self) -> None:
        """Abandons the running reload and begins no other, because the gateway stops."""
        if self._working or self._asked.is_set():
            emit(logging.WARNING, "reload ignored", reason="the gateway is stopping")
        self._scope.cancel()

    async def run(self) -> None:
        """Does each requested reload, until ``stop``."""
        with self._scope:
            while True:
                await self._asked.wait()
                self._asked = trio.Event()
                self._working = True
                self._busy(True)
                try:
                    await self._reload()
                except Exception:  # a bug of ours must not end the sessions
                    _log.exception("internal error: please report it", extra={"event": "bug"})
                if not self._scope.cancel_called:
                    self._working = False
                    self._busy(False)

    async def _reload(self) -> None:
        if self._load is None:
            emit(logging.WARNING, "reload refused", reason="there is no configuration file to read again")
            return
        current = self._gateway.site
        try:
            by_parent = self._gateway.workers > 1
            site = await self._in_time(partial(prepare, patient=by_parent), self._load, current)
        except (ConfigError, CheckError) as error:
            self._refuse(error)
            return
        stay = self._find_open(site.settings.listeners)
        new = [listener for listener, opened in zip(site.settings.listeners, stay, strict=True) if opened is None]
        opening = Opening(self._open_more)
        adopted = False
        try:
            try:
                await self._in_time(opening.open, new)
                sockets = opening.take()
            finally:
                await opening.give_up()
            try:
                not_adjusted = await self._adjust(site.settings.listeners, stay)
            finally:
                if self._scope.cancel_called:
                    for sock in sockets:
                        await close_in_thread(sock)
            if self._scope.cancel_called:
                return
            self._commit(site, stay, sockets, not_adjusted)
            adopted = True
        except CheckError as error:
            self._refuse(error)
        except ListenError as error:
            self._refuse(error, self._overlap(stay, new))
        finally:
            if not adopted:
                discard(site, current)

    def _refuse(self, error: Refused, hint: str | None = None) -> None:
        self._gateway.metrics.refused_reload()
        log_refusal(error, hint)

    async def _adjust(
        self, listeners: Sequence[Listener], stay: Sequence[OpenListener | None]
    ) -> dict[OpenListener, str]:
        """Applies changed settings to the listeners that stay. Returns the errors.

        In a thread, because the disk of a Unix socket's file may hang.
        """
        failed = {}
        for listener, opened in zip(listeners, stay, strict=True):
            if opened is not None and opened.live.settings != listener:
                try:
                    limiter = thread_limiter("listeners", str(listener.bind), 1)
                    await in_thread(limiter, DISK_TIME, partial(adjust, opened.sock, listener))
                except OSError as error:
                    failed[opened] = error.strerror or str(error)
                except trio.TooSlowError:
                    failed[opened] = f"the disk of its file did not answer within {DISK_TIME:g} s"
        return failed

    async def _in_time(self, work: Callable[..., T], *arguments: object) -> T:
        """Calls ``work``, which may wait for a disk or a plugin, in a thread that is abandoned if it takes too long.

        Raises what ``work`` raises, and ``CheckError`` when it takes too long.
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

    def _find_open(self, listeners: Sequence[Listener]) -> list[OpenListener | None]:
        """Returns the open listener for each of ``listeners``; ``None`` for those that have to be opened."""
        free = list(self._listeners)
        found: list[OpenListener | None] = []
        for listener in listeners:
            opened = next((opened for opened in free if opened.live.settings.bind == listener.bind), None)
            if opened is not None:
                free.remove(opened)
            found.append(opened)
        return found

    def _overlap(self, stay: Sequence[OpenListener | None], new: Sequence[Listener]) -> str | None:
        """Returns whether a listener of this gateway has the address: binds can overlap, like 0.0.0.0:80 and
        127.0.0.1:80."""
        ports = {listener.bind.port for listener in new if isinstance(listener.bind, TcpAddress)}
        for opened in self._listeners:
            address = opened.address
            if opened not in stay and isinstance(address, TcpAddress) and address.port in ports:
                return f"this gateway itself still listens on {address}, which overlaps: restart it for this change"
        return None

    # -- one step, without a pause -------------------------------------------------------------------------------------

    def _commit(
        self,
        site: Site,
        stay: Sequence[OpenListener | None],
        sockets: Sequence[socket.socket],
        not_adjusted: Mapping[OpenListener, str],
    ) -> None:
        before, now = self._gateway.site, site
        settings = keep_fixed(before.settings, now.settings)
        if settings is not now.settings:
            now = replace(now, settings=settings)
        if settings.log != before.settings.log:
            set_up(settings.log)
        discard(before, now)
        self._gateway.use_site(now)
        changes = self._change_settings(before.settings, now.settings)
        changes += self._change_listeners(now.listeners, stay, sockets, not_adjusted)
        changes += self._change_routes(before.routes, now.routes)
        self._certificates.use_site(now)
        self._gateway.metrics.reloaded()
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
        listeners: Sequence[LiveListener],
        stay: Sequence[OpenListener | None],
        sockets: Sequence[socket.socket],
        not_adjusted: Mapping[OpenListener, str],
    ) -> int:
        changes = 0
        for opened in [opened for opened in self._listeners if opened not in stay]:
            self._listeners.close(opened)
            changes += 1
        new = iter(sockets)
        for live, kept in zip(listeners, stay, strict=True):
            if kept is None:
                opened = self._listeners.open(next(new), live)
                emit(logging.INFO, "listener added", address=str(opened.address))
                changes += 1
            elif kept.live is not live:
                changed = keys(kept.live.settings, live.settings)
                emit(logging.INFO, "listener changed", address=str(kept.address), changed=changed)
                if kept in not_adjusted:
                    error = f"its socket keeps its mode and backlog: {not_adjusted[kept]}"
                    emit(logging.WARNING, "listener not adjusted", address=str(kept.address), error=error)
                self._listeners.change(kept, live)
                changes += 1
        return changes

    def _change_routes(self, before: Sequence[LiveRoute], now: Sequence[LiveRoute]) -> int:
        drained: list[Session] = []
        by_route: dict[object, list[Session]] = {}
        for session in self._gateway.sessions:
            by_route.setdefault(session.route, []).append(session)
        by_name = {route.name: route for route in now}
        changes = 0
        for old in before:
            new = by_name.get(old.name)
            if new is old:
                continue
            changes += 1
            sessions = by_route.get(old, [])
            drains = old.settings.on_reload is OnReload.DRAIN
            if new is not None and replace(old.settings, on_reload=new.settings.on_reload) == new.settings:
                # the change does not concern sessions; they use the route's new settings from now on
                for session in sessions:
                    session.route = new
                drains = False
            if drains:
                old.drained = True
                drained += sessions
            emit(
                logging.INFO,
                "route removed" if new is None else "route changed",
                route=old.name,
                **({} if new is None else {"changed": keys(old.settings, new.settings)}),
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
            self._background.start_soon(drain_sessions, drained, self._gateway.settings.drain)
        return changes
