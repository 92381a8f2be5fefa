"""The life of a serving process: start, reload, drain, end.

TERM or INT drains. After a delay the process accepts no new connection, sends a Close to every session (``ops.drain``),
and waits for their ends, for the grace in the settings. A second signal cuts the rest at once. HUP reloads
(``ops.reload``), USR1 opens the log's file again. A process without sessions may send TERM to itself (``ops.idle``).
"""

from __future__ import annotations

import contextlib
import enum
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import trio

from wsgate.events.emit import emit
from wsgate.gate import (
    backend_drain,
    health,
    interval_log,
    membership,
    revoke,
    route_drain,
    session_moves,
    shared_places,
)
from wsgate.gate.auth import running
from wsgate.gate.gateway import Gateway
from wsgate.net.resolver import Resolver
from wsgate.ops.acme import Renewal
from wsgate.ops.acme_challenges import ChallengeWatch
from wsgate.ops.certificates import CertificateWatch
from wsgate.ops.descriptors import said_of_sessions
from wsgate.ops.drain import drain_sessions
from wsgate.ops.idle import IdleWatch
from wsgate.ops.listeners import open_listeners
from wsgate.ops.log import reopen_log, write_owed_lines
from wsgate.ops.open_listeners import ListenerOpener, OpenListeners
from wsgate.ops.reload import Reloader
from wsgate.ops.reread import Load
from wsgate.ops.sampler import Sampler
from wsgate.settings.model import Address


class Stage(enum.Enum):
    """The stages for the service manager. A reload, done or refused, ends in READY."""

    READY = "ready"
    RELOADING = "reloading"
    STOPPING = "stopping"


async def run(
    gateway: Gateway,
    sockets: Sequence[socket.socket],
    *,
    load: Load | None = None,
    open_more: ListenerOpener = open_listeners,
    ready: Callable[[list[Address]], None] = lambda bound: None,
    reached: Callable[[Stage], None] = lambda stage: None,
    signals: AsyncIterator[int] | None = None,
) -> int:
    """Serves until a signal, then drains.

    sockets: for the listeners of the gateway's site, in their order; closed here
    load: reads the settings again at a HUP, in a thread; raises ``ConfigError``; ``None``: no reload is possible
    open_more: opens the listeners that a reload adds, in a thread; raises ``ListenError``
    ready: called once, when connections are accepted, with the bound addresses
    reached: called at every stage
    signals: ``None``: those of the process

    Returns the exit status: 0, or 1 if sessions had to be cut.
    """
    with contextlib.ExitStack() as stack:
        if signals is None:
            caught = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
            signals = stack.enter_context(trio.open_signal_receiver(*caught))
        trio.socket.set_custom_hostname_resolver(Resolver())
        # Nested by lifetime: the pump outlives sessions and connections, and these outlive the listeners
        async with trio.open_nursery() as outer:
            outer.start_soon(gateway.pump.run)
            outer.start_soon(gateway.shared_limits.run)
            async with gateway.sessions.owned() as sessions, trio.open_nursery() as connections:
                async with trio.open_nursery() as serving:
                    listeners = OpenListeners(gateway, connections, serving)
                    certificates = CertificateWatch()
                    certificates.use_site(gateway.site)
                    if gateway.settings.admin is not None:
                        sampler = Sampler(gateway, certificates)
                        gateway.metrics.refresh = sampler.sample
                        outer.start_soon(sampler.run)
                    idle = IdleWatch(gateway)

                    def busy(now: bool) -> None:
                        if not now:
                            idle.settings_changed()
                        reached(Stage.RELOADING if now else Stage.READY)

                    reloader = Reloader(
                        gateway,
                        listeners,
                        certificates,
                        load=load,
                        open_more=open_more,
                        background=serving,
                        busy=busy,
                    )
                    for task in (
                        certificates.watch,
                        Renewal(gateway, certificates.look).run,
                        ChallengeWatch(gateway).run,
                        reloader.run,
                        partial(revoke.watch, gateway.sessions),
                        partial(gateway.admissions.watch, lambda: gateway.site.routes),
                        partial(health.watch, gateway),
                        partial(running.watch, gateway),
                        partial(shared_places.watch, gateway),
                        partial(interval_log.watch, gateway),
                        write_owed_lines,
                        partial(backend_drain.watch, gateway),
                        partial(route_drain.watch, gateway),
                        partial(session_moves.watch, gateway.session_moves, gateway.sessions),
                    ):
                        serving.start_soon(task)
                    await serving.start(membership.watch, gateway)
                    for live, sock in zip(gateway.site.listeners, sockets, strict=True):
                        listeners.open(sock, live)
                    bound = [opened.address for opened in listeners]
                    for address in bound:
                        emit(logging.INFO, "listening", address=str(address))
                    gateway.ready = True
                    gateway.metrics.serves()
                    may = said_of_sessions(gateway.settings.limits.sessions, gateway.descriptor_sessions)
                    emit(logging.INFO, "ready", **may)
                    ready(bound)
                    reached(Stage.READY)
                    if gateway.workers == 1:  # otherwise the parent watches all workers
                        serving.start_soon(idle.run)
                    received = await _reload_until_stop(signals, reloader)
                    reloader.stop()
                    gateway.ready = False
                    gateway.metrics.drains(len(gateway.sessions))
                    reached(Stage.STOPPING)
                    over = gateway.sessions.opened - len(gateway.sessions)
                    _log_drain(gateway, received)
                    outer.start_soon(_cut_on_next, signals, serving.cancel_scope, sessions)
                    if gateway.settings.drain.delay:
                        await trio.sleep(gateway.settings.drain.delay)
                    gateway.stop_accepting()
                    serving.cancel_scope.cancel()
                outer.start_soon(_end_sessions, gateway, sessions)
            outer.cancel_scope.cancel()
    emit(logging.INFO, "stopped", ended=gateway.sessions.opened - over - gateway.cut, cut=gateway.cut)
    return 1 if gateway.cut else 0


async def _reload_until_stop(signals: AsyncIterator[int], reloader: Reloader) -> int:
    """Returns the signal that asked to stop."""
    async for received in signals:
        if received not in (signal.SIGHUP, signal.SIGUSR1):
            return received
        reopen_log()  # also if the reload is refused: logrotate(8) sends HUP to many programs
        if received == signal.SIGHUP:
            reloader.ask()
    raise AssertionError("signals do not end")


def _log_drain(gateway: Gateway, received: int) -> None:
    drain = gateway.settings.drain
    emit(
        logging.INFO,
        "draining",
        signal=signal.Signals(received).name,
        sessions=len(gateway.sessions),
        delay=drain.delay,
        spread=drain.spread,
        grace=drain.grace,
    )


async def _end_sessions(gateway: Gateway, sessions: trio.CancelScope) -> None:
    """Sends a Close to all sessions, then bounds the wait for their ends."""
    drain = gateway.settings.drain
    await drain_sessions(gateway.sessions, drain)
    sessions.deadline = trio.current_time() + drain.grace


async def _cut_on_next(signals: AsyncIterator[int], *scopes: trio.CancelScope) -> None:
    async for received in signals:
        if received == signal.SIGUSR1:
            reopen_log()
            continue
        if received == signal.SIGHUP:
            emit(logging.WARNING, "reload ignored", reason="the gateway is stopping")
            continue
        emit(logging.WARNING, "cutting", signal=signal.Signals(received).name)
        for scope in scopes:
            scope.cancel()
