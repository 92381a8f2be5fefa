from __future__ import annotations

import pytest

from tests.gate.conftest import StartGate, route, tunnel_to
from tests.log import Log
from tests.peers.heads import request
from tests.peers.stream import Backend
from wsgate.gate.handlers.subprotocols import describe_offer, tunnel_subprotocol
from wsgate.settings.model import Tunnel
from wsgate.wire.handshake import Upgrade
from wsgate.wire.http import Refusal


def choose(*offered: bytes, **tunnel: object) -> bytes | Refusal | None:
    return tunnel_subprotocol(Tunnel(**tunnel), Upgrade(b"key", offered, []))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        ([b"mqtt"], b"mqtt"),
        ([b"mqttv3.1", b"mqtt"], b"mqttv3.1"),
        ([b"base64", b"binary"], b"binary"),
        ([b"chat", b"binary"], b"binary"),
        ([b"base64", b"mqtt"], b"mqtt"),
        ([b"Binary"], b"Binary"),
        ([b"SPDY/3.1+portforward.k8s.io"], b"SPDY/3.1+portforward.k8s.io"),
    ],
)
def test_with_nothing_written_a_tunnel_takes_what_is_offered(offered: list[bytes], chosen: bytes | None) -> None:
    assert choose(*offered) == chosen


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([], None), ([b"x", b"b"], b"b"), ([b"b", b"a"], b"a"), ([b"ogmios.v1:compact"], b"ogmios.v1:compact")],
)
def test_what_is_written_is_chosen_in_its_order(offered: list[bytes], chosen: bytes | None) -> None:
    assert choose(*offered, subprotocols=("a", "b", "ogmios.v1:compact")) == chosen


@pytest.mark.parametrize(
    ("offered", "written", "detail"),
    [
        ([b"mqtt", b"chat"], ("binary",), "offered: mqtt, chat; spoken: binary"),
        ([b"base64"], (), "offered: base64; spoken: any but base64"),
        ([b"A"], ("a", "b"), "offered: A; spoken: a, b"),
    ],
)
def test_who_offers_none_that_is_spoken_is_told_so(offered: list[bytes], written: tuple[str, ...], detail: str) -> None:
    refusal = choose(*offered, subprotocols=written)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.detail) == (400, detail)
    assert choose(*offered, subprotocols=written, strict=False) is None


def test_what_the_log_says_of_an_offer_is_bounded() -> None:
    """Some clients offer a token as a subprotocol."""
    assert describe_offer([b"a", b"x" * 41]) == f"a, {'x' * 40}…"
    assert describe_offer([b"a"] * 9) == "a, a, a, a, a, a, a, a, …"


async def test_the_service_is_not_dialled_for_a_client_that_is_refused(
    start_gate: StartGate, backend: Backend, log: Log
) -> None:
    gate = start_gate(route(tunnel_to(backend.port, subprotocols=("binary",))))
    peer = gate.connect()
    await peer.write(request(headers={"Sec-WebSocket-Protocol": "mqtt"}))
    assert (await peer.read_head()).status == 400
    assert log.one("refused")["detail"] == "offered: mqtt; spoken: binary"
    # the first connection that the service sees is the next client's
    other = gate.connect()
    await other.upgrade()
    service = await backend.accept()
    await service.write(b"hello")
    assert (await other.receive()).payload == b"hello"
