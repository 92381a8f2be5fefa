"""The state handler: whether this process lives and is ready for new clients, for balancers that ask at a public route.

The body says why it is not ready in few words, because strangers read it; ``/readyz`` of the admin listener says more.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgate.gate.exchange import Answer, Exchange, Handler, Response
from wsgate.settings.model import State, StateAnswer

_FIELDS = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store")]


async def handle(exchange: Exchange) -> Answer:
    """Returns 200, or 503 while the process should get no new clients."""
    action = exchange.route.settings.action
    assert isinstance(action, State)
    word, reasons = action.answer.value, []
    if action.answer is StateAnswer.READY:
        reasons = list(_not_ready(exchange, action))
    body = "".join(f"{line}\n" for line in ([f"not {word}", *reasons] if reasons else [word])).encode()
    return Response(503 if reasons else 200, [*_FIELDS, (b"Content-Length", b"%d" % len(body))], body)


def _not_ready(exchange: Exchange, action: State) -> Iterator[str]:
    if not exchange.gateway.ready:
        yield "draining"
    for route in exchange.site.routes:
        if route.name not in action.backends:
            continue
        backends = () if route.upstream is None else route.upstream.backends
        if route.name in exchange.gateway.route_drains:
            yield f"the route {route.name} drains"
        elif not any(backend.healthy for backend in backends):
            yield f"no backend of the route {route.name} is healthy"
        elif not any(backend.works for backend in backends):
            yield f"no backend of the route {route.name} takes sessions"


HANDLER = Handler(handle, upgrades=False)
