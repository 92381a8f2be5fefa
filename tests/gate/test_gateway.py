"""What every connection shares. That a drain is told to sessions and idle connections, the session's tests show."""

from __future__ import annotations

import ssl

import trio
import trio.testing

from tests.gate.conftest import NOWHERE, at, relay_to, route
from wsgate.gate.gateway import Gateway
from wsgate.net.dial import TlsClient
from wsgate.settings.model import BackendTls, Route, Settings


def test_it_routes_as_its_settings_say() -> None:
    gateway = Gateway(Settings(listeners=(), routes=(route(NOWHERE, "a", match=at("/a")), route(NOWHERE, "b"))))
    found = [gateway.router.find(b"", path, (), websocket=True) for path in ("/a", "/x")]
    assert [each.name for each in found if isinstance(each, Route)] == ["a", "b"]


def test_tls_to_the_backends_of_a_route() -> None:
    gateway = Gateway(Settings(listeners=(), routes=()))
    action = relay_to(9000, tls=BackendTls(server_name="internal.test"))
    assert gateway.tls_client("chat", action) is None
    context = gateway.backend_tls["chat"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert gateway.tls_client("chat", action) == TlsClient(context, "internal.test", gateway.pump.serve_if_due)
    assert gateway.tls_client("other", action) is None


def test_nothing_is_shared_between_two() -> None:
    first, second = (Gateway(Settings(listeners=(), routes=())) for _ in range(2))
    first.idle.add(trio.CancelScope())
    assert (second.idle, second.pump.legs) == (set(), 0)
    assert first.pump is not second.pump


async def test_a_drain_wakes_who_has_asked_for_nothing() -> None:
    """Even where waking changes the set that is gone through."""
    gateway = Gateway(Settings(listeners=(), routes=()))
    assert not gateway.draining

    async def wait() -> None:
        with trio.CancelScope() as scope:
            gateway.idle.add(scope)
            try:
                await trio.sleep_forever()
            finally:
                gateway.idle.discard(scope)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        gateway.stop_taking()
    assert gateway.draining
    assert gateway.idle == set()
