"""The pump: the one task per process that moves the bytes of every established session.

Theory of operation
-------------------
A proxy in Python spends its time not in Python but in what a read costs: a scheduler step, an ``epoll_ctl``, a fresh
buffer. The pump pays none of them in the steady state.

- It owns a readiness set of its own (``poller``) and wakes when any session has something to move. It then serves
  *rounds*: one ``poll`` of the set, one read for each ready socket. After a few milliseconds, or when nothing is
  ready, it passes a checkpoint, so that the control plane runs.
- There is one read buffer for the whole process, so an idle session holds none. A direction (``flow``) reads into it,
  walks the frames in place and sends straight out of it. What the peer does not take is copied into that leg's
  ``pending`` and the source is not read until it is gone: a session holds at most one read per direction.
- The buffer begins with headroom. The unfinished header or control frame of the last read is put there, in front of the
  next one, so the walk always sees one piece; a tunnel writes its frame's header there, so header and payload leave in
  one send.

Everything the pump calls is synchronous and runs to its end, so no two directions ever share the buffer. A fault of a
peer is a value and stays in its session. An exception is our own bug: it ends that session, loudly, and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

import trio

from wsgate.relay.poller import INSIDE, READABLE, Poller, make_poller

HEADROOM = 256  # bytes: over 130 for a carried control frame, over 14 for a header
# Bytes: the most that one socket moves in a round. A message of 64 KiB and its header fit into one read; streams that
# fill the buffer cost less with larger reads, up to about this (docs/performance.md).
READ_SIZE = 256 << 10

_PATIENCE = 0.002  # seconds that sessions wait for the control plane before it gives them a turn of itself
_TURN = 0.005  # seconds between two checkpoints: what a handshake or a signal may have to wait for the data plane


class Owner(Protocol):
    def crash(self, error: Exception) -> None:
        """Our own bug, while one of the owner's legs was served."""
        ...


class Leg(Protocol):
    """What is served: ``relay.leg`` has more of it.

    interest: the events that are wanted of ``fd`` now
    reader: called when ``fd`` is readable, and nothing else
    """

    interest: int

    @property
    def fd(self) -> int: ...

    @property
    def owner(self) -> Owner: ...

    @property
    def reader(self) -> Callable[[], None]: ...

    def handle(self, ready: int) -> None:
        """Any other readiness."""
        ...


class Pump:
    """Serves every leg that is watched, for as long as ``run`` runs.

    Public to flows and legs: ``buffer`` with its ``view``, ``room`` to read into, and ``now``: when the turn that is
    served began (trio seconds).
    """

    def __init__(self, poller: Poller | None = None) -> None:
        self.buffer = bytearray(HEADROOM + READ_SIZE)
        self.view = memoryview(self.buffer)
        self.room = self.view[HEADROOM:]
        self._poller = poller or make_poller()
        self._legs: dict[int, Leg] = {}
        self._again: list[tuple[int, int]] = []
        self._serving = False
        self.now = 0.0
        self._rested = 0.0  # when the last turn ended
        self._stopped = False

    async def run(self) -> None:
        """Move bytes until cancelled."""
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
        """For the control plane, between two steps of its own: serve the sessions if they have waited for long.

        trio runs every task that can run before it looks at descriptors again. When thousands connect at once, that
        is a long time for the sessions that are there already.
        """
        if monotonic() > self._rested + _PATIENCE and self._poller.polls_anywhere and not self._stopped:
            self._serve()

    @property
    def legs(self) -> int:
        """How many it serves."""
        return len(self._legs)

    def _serve(self) -> bool:
        """Serve what is ready, for one turn; whether anything may be left."""
        poll = self._poller.poll
        find = self._legs.get
        left = True
        self._serving = True
        self.now = trio.current_time()
        until = monotonic() + _TURN
        while monotonic() < until:
            events = poll()
            if self._again:
                events += self._again
                self._again = []
            if not events:
                left = False
                break
            for fd, ready in events:
                leg = find(fd)
                if leg is None:  # closed by an earlier event
                    continue
                try:
                    if ready == READABLE:
                        read = leg.reader
                        read()
                    else:
                        leg.handle(ready)
                except Exception as error:
                    leg.owner.crash(error)
        self._rested = monotonic()
        self._serving = False
        return left

    def revisit(self, leg: Leg) -> None:
        """Have a leg read again although its descriptor will not say so: TLS holds what the kernel has given."""
        self._again.append((leg.fd, INSIDE))
        if not self._serving:
            self._poller.wake()

    def watch(self, leg: Leg, interest: int) -> None:
        """Change what is wanted of a leg's socket.

        Nothing wanted is not registered at all: epoll reports errors and hang-ups even of a descriptor that is
        registered for nothing, and would spin on a dead peer that is not being read.
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

    def adopt(self, leg: Leg) -> None:
        """Serve a leg from now on; ``watch`` says what is wanted of it."""
        self._legs[leg.fd] = leg

    def forget(self, leg: Leg) -> None:
        """Before a leg's socket is closed: its number may be another socket's right after."""
        self.watch(leg, 0)
        self._legs.pop(leg.fd, None)
