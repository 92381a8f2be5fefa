"""What is counted of sessions, refusals and answers."""

from __future__ import annotations

import zlib

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.gate.conftest import NOWHERE, Gate, StartGate, at, closed, gateway_of, relay_to, route, tunnel_to
from tests.peers.frames import Frame, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, open_session
from wsgate.events.metrics import SIZE
from wsgate.gate import metrics
from wsgate.gate.decide import FULL
from wsgate.gate.metrics import cause_of, code_label
from wsgate.gate.refusals import DRAINING
from wsgate.settings.model import Compression, Heartbeat, Limits, Respond
from wsgate.wire.http import Refusal


def counted(gate: Gate) -> dict[str, float]:
    """What is not 0, as ``name label label``; of histograms how often."""
    found: dict[str, float] = {}
    for metric, labels, values in gate.gateway.metrics.row.read():
        each = values if metric.known else [sum(values[:-1]) if metric.buckets else values[0]]
        for known, value in zip(metric.known or [""], each, strict=True):
            if value:
                found[" ".join((metric.name.removeprefix("wsgate_"), *labels, known)).rstrip()] = value
    return found


async def test_a_session(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    client = gate.connect()
    server = await open_session(client, backend)
    begun = counted(gate)
    assert begun.pop("build_info 0.1.0", 1) == 1
    assert {name: value for name, value in begun.items() if "build_info" not in name} == {
        "sessions chat": 1,
        "sessions_opened_total chat": 1,
        "upgrade_duration_seconds chat": 1,
    }
    (session,) = gate.gateway.sessions
    await client.send(Frame(1, b"hello"))
    assert (await server.receive()).payload == b"hello"
    assert counted(gate)["frames_total chat up text"] == 1  # while it is open
    gate.gateway.metrics.sessions("chat").take_traffic(session)
    gate.gateway.metrics.sessions("chat").take_traffic(session)
    live = counted(gate)
    assert (live["messages_total chat up"], live["bytes_total chat up"]) == (1, 11)
    await client.send(Frame(1, b"hello"), close_frame(4321))
    await server.receive()
    await server.receive()
    await server.send(close_frame(1000))
    await server.vanish()
    await client.vanish()
    await closed(gate)
    over = counted(gate)
    assert "sessions chat" not in over
    assert over["frames_total chat up text"] == over["message_size_bytes chat up"] == 2
    assert over["frames_total chat up close"] == over["frames_total chat down close"] == 1
    assert over["messages_total chat up"] == 2
    assert over["bytes_total chat up"] == 11 + 11 + 8
    assert over["bytes_total chat down"] == 4
    assert over["sessions_ended_total chat client closed"] == 1
    assert over["close_codes_total chat client 4xxx"] == 1
    assert over["close_codes_total chat backend 4xxx"] == 1
    assert over["session_duration_seconds chat"] == 1


async def test_a_tunnel_counts_what_its_client_sends(start_gate: StartGate, backend: Backend) -> None:
    """A TCP service sends no frames."""
    gate = start_gate(route(tunnel_to(backend.port), "desk"))
    client = gate.connect()
    await client.write(request("/"))
    service = await backend.accept()
    assert (await client.read_head()).status == 101
    await client.send(Frame(2, b"hello"), Frame(2, bytes(100)))
    assert await service.read(105) == b"hello" + bytes(100)
    await service.write(b"answer")
    assert (await client.receive()).payload == b"answer"
    counts = {name: value for name, value in counted(gate).items() if "frames" in name or "size" in name}
    assert counts == {"frames_total desk up binary": 2, "message_size_bytes desk up": 2}
    await client.vanish()
    await service.vanish()
    await closed(gate)


async def test_a_session_with_compression(start_gate: StartGate, backend: Backend) -> None:
    """The gateway compresses to the client. Sizes of messages are plain ones."""
    gate = start_gate(route(relay_to(backend.port), "chat", compression=Compression(client=True)))
    client = gate.connect()
    await client.write(request("/", {"Sec-WebSocket-Extensions": "permessage-deflate"}))
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    (session,) = gate.gateway.sessions
    state = zlib.compressobj(wbits=-15)
    payload = state.compress(bytes(1000)) + state.flush(zlib.Z_SYNC_FLUSH)[:-4]
    await client.send(Frame(2, payload, rsv=4))
    assert (await server.receive()).payload == bytes(1000)
    await server.send(Frame(1, b"plain" * 100))
    assert (await client.receive()).rsv
    metrics = gate.gateway.metrics.sessions("chat")
    metrics.take_traffic(session)
    live = counted(gate)
    assert live["compressed_sessions_total chat client"] == 1
    assert live["compression_bytes_total chat up client plain"] == 1000
    assert live["compression_bytes_total chat up client compressed"] == len(payload)
    assert live["compression_bytes_total chat down client plain"] == 500
    assert live["compression_seconds_total chat down client"] > 0
    sizes = gate.gateway.metrics.row.words(SIZE, "chat", "up")
    assert (sizes[0], sizes[-1]) == (0, 1000)
    assert session.info.fields()["compression"] == "client"
    await client.vanish()
    await server.vanish()
    await closed(gate)


async def test_refusals_and_answers(start_gate: StartGate) -> None:
    gate = start_gate(
        route(Respond(status=200), "fixed", match=at("/fixed")),
        route(NOWHERE, "nowhere", match=at("/nowhere")),
        limits=Limits(sessions=1),
    )
    for asked, status in (
        (plain_request("/fixed"), 200),
        (plain_request("/nowhere"), 426),
        (plain_request("/other"), 404),
        (request("/other"), 404),
        (request("/fixed"), 404),
        (request("/nowhere"), 502),
        (request("/nowhere", headers={"Sec-WebSocket-Version": "12"}), 426),
        (b"nonsense\r\n\r\n", 400),
    ):
        peer = gate.connect()
        await peer.write(asked)
        assert (await peer.read_head()).status == status
        await peer.vanish()
    gate.gateway.counters.enter(None)
    peer = gate.connect()
    await peer.write(request("/nowhere"))
    assert (await peer.read_head()).status == 503
    await peer.vanish()
    await closed(gate)
    assert {name: value for name, value in counted(gate).items() if "build_info" not in name} == {
        "http_requests_total fixed 200": 1,
        "http_requests_total nowhere 426": 1,
        "http_requests_total  404": 1,
        "http_requests_total  400": 1,
        "upgrades_refused_total  no_route": 1,
        "upgrades_refused_total fixed no_route": 1,
        "upgrades_refused_total nowhere backend_failed": 1,
        "upgrades_refused_total nowhere bad_request": 1,
        "upgrades_refused_total nowhere full": 1,
    }
    assert gate.gateway.upgrading == 0


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (FULL, "full"),
        (DRAINING, "draining"),
        (Refusal(401, "x"), "unauthorized"),
        (Refusal(418, "x"), "bad_request"),
        (Refusal(502, "x", body=b"a backend's page"), "backend_refused"),
    ],
)
def test_causes(refusal: Refusal, cause: str) -> None:
    assert cause_of(refusal) == cause


def test_close_codes() -> None:
    assert [code_label(code) for code in (None, 1000, 1005, 1015, 3000, 3999, 4000, 4999)] == [
        *("none", "1000", "1005", "1015", "3xxx", "3xxx", "4xxx", "4xxx")
    ]


def test_states_and_reloads() -> None:
    gateway = gateway_of()
    gateway.metrics.serves()
    gateway.metrics.reloaded()
    values = {metric.name: numbers[0] for metric, _, numbers in gateway.metrics.row.read()}
    assert (values["wsgate_workers_serving"], values["wsgate_draining"], values["wsgate_reloads_total"]) == (1, 0, 1)
    gateway.metrics.drains(3)
    values = {metric.name: numbers[0] for metric, _, numbers in gateway.metrics.row.read()}
    assert (values["wsgate_workers_serving"], values["wsgate_draining"]) == (0, 1)
    assert values["wsgate_drain_sessions_at_start"] == 3


async def test_a_peer_that_gives_no_sign(start_gate: StartGate, backend: Backend, autojump_clock: MockClock) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat", heartbeat=Heartbeat(interval=1, timeout=1)))
    client = gate.connect()
    server = await open_session(client, backend)
    ping = await client.receive()
    await client.send(Frame(0xA, ping.payload))
    await trio.testing.wait_all_tasks_blocked(0.05)
    (session,) = gate.gateway.sessions
    gate.gateway.metrics.sessions("chat").take_traffic(session)
    assert counted(gate)["heartbeat_rtt_seconds chat client"] == 1
    await server.vanish()
    await client.vanish()
    await closed(gate)


def test_kinds_of_endings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_ENDINGS", 2)
    sessions = gateway_of().metrics.sessions("chat")
    for code in range(4000, 4004):
        for cell in sessions._add_ending(("silent", "client", code, None)):
            cell.add()
    assert len(sessions._endings) == 2
    found = {(metric.name, *labels): numbers[0] for metric, labels, numbers in sessions._row.read()}
    assert found["wsgate_close_codes_total", "chat", "client", "4xxx"] == 4
    assert found["wsgate_heartbeats_lost_total", "chat", "client"] == 4
