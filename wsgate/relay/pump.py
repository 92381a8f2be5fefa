"""The pump: the one task per process that moves the bytes of every established session.

Theory of operation
-------------------
A proxy in Python usually pays for each read a scheduler step, an ``epoll_ctl`` and a new buffer. The pump needs none of
them in the steady state.

- It owns a readiness set (``poller``) and wakes when any session has bytes to move. It then serves *rounds*: one
  ``poll`` of the set and one read for each ready socket. After a few milliseconds, or when nothing is ready, it passes
  a checkpoint, so that the control plane runs.
- Without a tap or anything else that Python has to see, rounds and flows are served in C (``fast_path``). This file and
  the flows do the same in Python.
- There is one read buffer for the whole process, so an idle session holds none. A direction (``flow``) reads into it,
  walks the frames in place and sends directly from it. The bytes that the peer does not accept are copied into that
  leg's ``pending``, and the source is not read until they are sent. So a session holds at most one read per direction.
- The buffer begins with headroom. The unfinished header or control frame of the last read is put there, in front of the
  next read, so the walk always sees it in one piece. A tunnel writes the header of its frame there, so header and
  payload are sent in one call.

Everything that the pump calls is synchronous and runs to its end, so two directions never use the buffer at the same
time. A fault of a peer is a value and stays in its session. An exception is our own bug: it ends its session, is
logged, and touches no other session.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Protocol

import trio

from wsgate.relay.fast_path import COMPILED, PumpFields, serve_round
from wsgate.relay.finisher import Finisher
from wsgate.relay.poller import BUFFERED, EDGE, READABLE, Poller, make_poller
from wsgate.relay.timer_heap import TimerHeap

HEADROOM = 256  # bytes: over 130 for a carried control frame, over 14 for a header
# Bytes: the most that is read from one socket in a round. A message of 64 KiB and its header fit into one read. Streams
# that fill the buffer cost less with larger reads, up to about this size (docs/performance.md).
READ_SIZE = 256 << 10

STEP_SIZE = 64 << 10  # bytes: the same for a flow that inflates or compresses, which takes longer than the read

_DUE_AFTER = 0.002  # seconds that sessions wait for the control plane before ``serve_if_due`` serves them
_ROUND_DUE_AFTER = 0.0002  # the same for ``serve_round_if_due``, and less after a round that took less
_MAX_SERVING = 0.005  # seconds of rounds between two checkpoints: a handshake or a signal waits at most so long


class Owner(Protocol):
    def crash(self, error: Exception) -> None:
        """An exception was raised while one of the owner's legs was served: a bug of ours."""
        ...


class Leg(Protocol):
    """The part of ``relay.leg.Leg`` that the pump needs.

    interest: the events of ``fd`` that are wanted now
    reader: called when ``fd`` is readable and has no other event
    """

    interest: int

    @property
    def fd(self) -> int: ...

    @property
    def owner(self) -> Owner: ...

    @property
    def reader(self) -> Callable[[], object]: ...

    def handle(self, ready: int) -> None:
        """Handles any other readiness."""
        ...


class Pump(PumpFields):
    """Serves every leg that is watched, while ``run`` runs.

    buffer, view: the read buffer and a view of it, for flows and legs; it begins with the ``headroom``
    read_area: the part of ``view`` to read into, behind the headroom
    step_area: the beginning of it, for flows that work on what they read
    now: when the current rounds began (trio seconds)
    last_served_for: how many seconds the last rounds took
    edge: for ``watch``, beside ``READABLE``: ``EDGE`` if rounds know what a turn leaves in a socket; else 0
    full_rounds: how often the time for rounds was over before everything was served
    timers: of the sessions
    finisher: of the sessions
    """

    def __init__(self, poller: Poller | None = None) -> None:
        self.headroom = HEADROOM
        self.buffer = bytearray(HEADROOM + READ_SIZE)
        self.view = memoryview(self.buffer)
        self.read_area = self.view[HEADROOM:]
        self.step_area = self.read_area[:STEP_SIZE]
        self._poller = poller or make_poller()
        self._legs: list[Leg | None] = []  # by descriptor
        self.legs = 0  # how many it serves
        self._serve_again: list[tuple[int, int]] = []
        self._serve_round = self._serve_round_in_python
        self.edge = 0
        if COMPILED and self._poller.epoll is not None:
            self._serve_round = partial(serve_round, self._poller.epoll, self._legs)
            self.edge = EDGE
        self._serving = False
        self.now = 0.0
        self._last_served = 0.0  # when the last rounds ended
        self.last_served_for = 0.0
        self.full_rounds = 0
        self._stopped = False
        self.timers = TimerHeap(self.serve_if_due)
        self.finisher = Finisher(self.serve_if_due)

    async def run(self) -> None:
        """Moves bytes, calls timers and finishes sessions until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.timers.run)
            nursery.start_soon(self.finisher.run)
            try:
                while True:
                    if self._serve():
                        await trio.lowlevel.checkpoint()
                    else:
                        await self._poller.wait()
            finally:
                self._stopped = True
                self._poller.close()

    def serve_if_due(self) -> None:
        """Serves the sessions if they have waited for long. The control plane calls it between two steps of its own.

        trio runs every task that can run before it polls descriptors again. When thousands of clients connect at once,
        that is a long time for the sessions that are already open.
        """
        if monotonic() > self._last_served + _DUE_AFTER:
            self._serve_aside(_MAX_SERVING)

    def serve_round_if_due(self) -> None:
        """Serves one round, as ``serve_if_due``, between the steps of work that goes on all the time, as requests over
        plain HTTP do.

        It is due when that work has taken as long as the last rounds. Those that move nothing take half a microsecond,
        so messages hardly ever wait for more than one step. But rounds that take long leave the work a part of the
        time, so that neither stops the other.
        """
        if monotonic() > self._last_served + min(self.last_served_for, _ROUND_DUE_AFTER):
            self._serve_aside(0.0)

    def _serve_aside(self, seconds: float) -> None:
        """Serves rounds while ``run`` may be waiting."""
        if self._poller.polls_during_wait and not self._stopped:
            self._serve(seconds)
            if self._serve_again:
                self._poller.wake()

    def _serve(self, seconds: float = _MAX_SERVING) -> bool:
        """Serves rounds for so long, one at least. Returns whether more may be ready."""
        serve_round = self._serve_round
        left = True
        self._serving = True
        self.now = trio.current_time()
        began = monotonic()
        until = began + seconds
        while True:
            served = serve_round()
            if self._serve_again:
                again, self._serve_again = self._serve_again, []
                self._serve_events(again)
            elif not served:
                left = False
                break
            if monotonic() >= until:
                if seconds:
                    self.full_rounds += 1
                break
        self._last_served = monotonic()
        self.last_served_for = self._last_served - began
        self._serving = False
        return left

    def _serve_round_in_python(self) -> int:
        """Serves each leg that is ready once. Returns how many descriptors were ready."""
        events = self._poller.poll()
        self._serve_events(events)
        return len(events)

    def _serve_events(self, events: list[tuple[int, int]]) -> None:
        legs = self._legs
        for fd, ready in events:
            leg = legs[fd] if fd < len(legs) else None
            if leg is None:  # closed by an earlier event, or no leg's
                continue
            try:
                if ready == READABLE:
                    read = leg.reader
                    read()
                else:
                    leg.handle(ready)
            except Exception as error:
                leg.owner.crash(error)

    def serve_again(self, leg: Leg) -> None:
        """Serves a leg in the next round without an event of its descriptor, because TLS holds bytes already."""
        self._serve_again.append((leg.fd, BUFFERED))
        if not self._serving:
            self._poller.wake()

    def watch(self, leg: Leg, interest: int) -> None:
        """Changes the events that are wanted of a leg's socket.

        A socket without wanted events is not registered: epoll reports errors and hang-ups also for no events, and
        would busy-loop on a dead peer that is not read.
        """
        if interest == leg.interest or self._stopped:
            return
        if not leg.interest:
            self._poller.register(leg.fd, interest)
        elif interest:
            self._poller.modify(leg.fd, interest)
        else:
            self._poller.unregister(leg.fd)
        leg.interest = interest

    def add(self, leg: Leg) -> None:
        """Serves a leg from now on; ``watch`` sets its events."""
        self._legs += [None] * (leg.fd + 1 - len(self._legs))
        self._legs[leg.fd] = leg
        self.legs += 1

    def remove(self, leg: Leg) -> None:
        """Stops serving a leg. Must precede the close of its socket, whose number may be reused at once."""
        self.watch(leg, 0)
        if leg.fd < len(self._legs) and self._legs[leg.fd] is leg:
            self._legs[leg.fd] = None
            self.legs -= 1
