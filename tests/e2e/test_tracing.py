"""Spans of a real gateway, as a collector gets them."""

from __future__ import annotations

import trio

from tests.peers.collector import attributes, collector, hanging_collector

from .gateway import OpenBackend, OpenClient, StartGateway, relay, tunnel
from .library import Serve, echo

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


async def test_an_upgrade_inside_the_clients_own_trace(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """And the backend's spans are inside the one of its dial."""
    with collector() as collected:
        backend = await open_backend()
        gateway = await start_gateway(relay(backend.port), tracing={"to": collected.url, "service": "edge"})
        client = await open_client(gateway)
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1", "User-Agent": "x"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.upgrade, "/?token=secret", headers)
            served = await backend.accept()
            head = await served.read_head()
            await served.accept_upgrade()
        session = (await gateway.next_line("opened"))["id"]
        upgrade, dial = await trio.to_thread.run_sync(collected.spans, 2)
    assert (upgrade.name, dial.name) == ("GET relay", "dial")
    assert (upgrade.trace_id.hex(), upgrade.parent_span_id.hex()) == (TRACE, PARENT)
    assert (dial.trace_id.hex(), dial.parent_span_id) == (TRACE, upgrade.span_id)
    assert head.all("traceparent") == [f"00-{TRACE}-{dial.span_id.hex()}-01"]
    assert head.all("tracestate") == ["vendor=1"]
    found = attributes(upgrade)
    assert (found["http.response.status_code"], found["wsgate.session.id"]) == (101, session)
    assert (found["client.address"], found["url.path"], found["http.route"]) == ("127.0.0.1", "/", "relay")
    assert attributes(dial)["wsgate.backend"] == f"ws://127.0.0.1:{backend.port}"
    assert "secret" not in str(upgrade)


async def test_a_backend_that_cannot_be_used_and_the_next_one(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    """The URL alone says where to; the first span of a trace that begins here has no parent."""
    port = await serve(echo)
    with collector() as collected:
        two = {"relay": {"to": ["ws://127.0.0.1:1", f"ws://127.0.0.1:{port}"]}}
        gateway = await start_gateway({**relay(1), **two}, tracing=collected.url)
        await (await open_client(gateway)).upgrade()
        upgrade, first, second = await trio.to_thread.run_sync(collected.spans, 3)
    assert upgrade.parent_span_id == b""
    assert (first.parent_span_id, second.parent_span_id) == (upgrade.span_id, upgrade.span_id)
    assert first.status.code == first.status.STATUS_CODE_ERROR
    assert "refused" in first.status.message
    assert second.status.code == upgrade.status.code == upgrade.status.STATUS_CODE_UNSET


async def test_a_refusal(start_gateway: StartGateway, open_client: OpenClient) -> None:
    with collector() as collected:
        gateway = await start_gateway(tunnel(1), tracing=collected.url, workers=2)
        client = await open_client(gateway)
        await client.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        await client.write(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert (await client.read_head()).status == 502
        upgrade, dial = await trio.to_thread.run_sync(collected.spans, 2)
    assert attributes(upgrade)["http.response.status_code"] == 502
    assert upgrade.status.code == dial.status.code == upgrade.status.STATUS_CODE_ERROR
    assert attributes(dial)["wsgate.backend"] == "tcp://127.0.0.1:1"


async def test_a_collector_that_hangs_harms_nobody(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient
) -> None:
    """The gateway stops in time, too; its fixture sees to it."""
    port = await serve(echo)
    with hanging_collector() as url:
        gateway = await start_gateway(relay(port), tracing=url)
        for _ in range(5):
            client = await open_client(gateway)
            await client.upgrade()
            await client.stream.aclose()
