"""The backends that are tried for a session; with ``queue`` it waits for a place at one if none has any."""

from __future__ import annotations

import math

import trio

from wsgate.gate.exchange import Exchange
from wsgate.gate.refusals import CLIENT_GONE, DRAINING, RETRY_AFTER
from wsgate.net.io import wait_until_left
from wsgate.settings.model import Queue, Relay, WebSocketUrl
from wsgate.site.backend import LiveBackend
from wsgate.site.upstream import Upstream
from wsgate.wire.http import Refusal

_REASON = "no backend takes another session: try again"


class Places:
    """The places at the backends of a route for one session, the best first.

    key, cookie: of the request, as for ``Upstream.candidates``
    """

    def __init__(self, exchange: Exchange, upstream: Upstream, key: bytes, cookie: str | None) -> None:
        action = exchange.route.settings.action
        assert isinstance(action, Relay)
        self._exchange = exchange
        self._upstream = upstream
        self._queue: Queue | None = action.queue
        self._candidates = upstream.candidates(key, cookie)
        self._tried: list[LiveBackend[WebSocketUrl]] = []

    async def next(self) -> LiveBackend[WebSocketUrl] | Refusal | None:
        """Returns a backend at which the session is counted already; the caller leaves it.

        Returns a refusal if the session has waited in vain, or could not wait; ``None`` if no backend can take it.
        """
        queue, tried = self._queue, self._tried
        overtakes = queue is not None and self._upstream.queue.is_awaited and self._upstream.may_wait(tried)
        found: LiveBackend[WebSocketUrl] | Refusal | None = None
        if not overtakes:
            for each in self._candidates:
                if each not in tried and each.enter():
                    found = each
                    break
        if found is None and queue is not None and self._upstream.may_wait(tried):
            found = await self._wait(queue)
        if isinstance(found, LiveBackend):
            tried.append(found)
        return found

    async def _wait(self, queue: Queue) -> LiveBackend[WebSocketUrl] | Refusal:
        """Waits for a place, until the queue's timeout. A drain ends it, as does the client that leaves."""
        gateway, upstream = self._exchange.gateway, self._upstream
        if len(upstream.queue) >= math.ceil(queue.size / gateway.workers):
            return _refusal(f"each is at its sessions, and {len(upstream.queue)} wait already")
        found: LiveBackend[WebSocketUrl] | None = None
        has_left = False

        async def watch_client() -> None:
            nonlocal has_left
            await wait_until_left(self._exchange.here)
            has_left = True
            scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                gateway.add_idle(scope)
                nursery.start_soon(watch_client)
                found = await upstream.queue.wait(lambda: upstream.backends, self._tried, queue.timeout)
                scope.cancel()
        except BaseException:
            if found is not None:
                found.leave()
            raise
        finally:
            gateway.idle.discard(scope)
        if found is not None:
            return found
        if has_left:
            return CLIENT_GONE
        return DRAINING if gateway.draining else _refusal(f"no place became free within {queue.timeout:g} s")


def _refusal(detail: str) -> Refusal:
    return Refusal(503, _REASON, RETRY_AFTER, detail, cause="no_backend")
