"""Which pages may read answers over plain HTTP."""

from __future__ import annotations

import ipaddress

import pytest

from tests.gate.conftest import Gate, StartGate
from tests.gate.handlers.test_forward import asked, forwarding
from tests.log import Log
from tests.peers.heads import Head, plain_request, request, write_head
from tests.peers.stream import Backend, Peer
from wsgate.settings.model import Addresses, Auth, Basic, Cors, Headers, Network, ToClient

PAGE = "https://app.test"
ALLOW, CREDENTIALS = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
BASIC = Auth(basic=Basic(users=("me:{PLAIN}x",)))


def preflight(origin: str | None = PAGE, method: str = "PUT", headers: str | None = None) -> bytes:
    fields = {"Host": "gateway.test", "Origin": origin, "Access-Control-Request-Method": method}
    return write_head("OPTIONS /x HTTP/1.1", {**fields, "Access-Control-Request-Headers": headers})


async def answer(gate: Gate, data: bytes) -> tuple[Peer, Head]:
    client = gate.connect()
    await client.write(data)
    return client, await client.read_head()


def own(head: Head) -> dict[str, str]:
    return {name: value for name, value in head.headers if name.startswith("Access-Control-") or name == "Vary"}


@pytest.mark.parametrize(
    ("cors", "asked", "expected"),
    [
        (
            Cors(),
            preflight(headers="x-a, authorization"),
            {
                "Access-Control-Allow-Methods": "PUT",
                "Access-Control-Allow-Headers": "x-a, authorization",
                "Access-Control-Max-Age": "600",
            },
        ),
        (
            Cors(methods=("GET", "DELETE"), headers=("X-A",), credentials=True, max_age=None, expose=("X-B",)),
            preflight(headers="x-b"),
            {
                "Access-Control-Allow-Methods": "GET, DELETE",
                "Access-Control-Allow-Headers": "X-A",
                CREDENTIALS: "true",
            },
        ),
        (Cors(max_age=None), preflight(method="a b", headers="a b,"), {"Access-Control-Allow-Methods": ""}),
    ],
)
async def test_a_preflight_is_answered_here(
    start_gate: StartGate, cors: Cors, asked: bytes, expected: dict[str, str]
) -> None:
    """No password is asked for, no backend is, and the connection goes on."""
    gate = start_gate(forwarding(1, origins=(PAGE,), cors=cors, auth=BASIC))
    client, head = await answer(gate, asked)
    assert (head.status, head.one("Content-Length"), head.one("Connection")) == (204, None, None)
    assert head.all("Vary") == ["Access-Control-Request-Method, Access-Control-Request-Headers", "Origin"]
    assert own(head) == {ALLOW: PAGE, "Vary": "Origin", **expected}
    await client.write(asked)
    assert (await client.read_head()).status == 204


@pytest.mark.parametrize(
    "origin", ["https://other.test", None, "null", "https://app.test.evil.test", "http://app.test", "https://app.test/"]
)
async def test_a_preflight_of_another_page(start_gate: StartGate, log: Log, origin: str | None) -> None:
    gate = start_gate(forwarding(1, origins=(PAGE,), cors=Cors()))
    _, head = await answer(gate, preflight(origin))
    assert (head.status, own(head)) == (403, {"Vary": "Origin"})
    detail = f"a preflight, Origin: {origin or 'none'}: origins name the pages that may read answers"
    assert log.one("refused")["detail"] == detail


async def test_an_address_that_may_not_come_learns_nothing(start_gate: StartGate) -> None:
    denied = Addresses(deny=(Network(ipaddress.ip_network("192.0.2.0/24")),))
    gate = start_gate(forwarding(1, origins=(PAGE,), cors=Cors(), addresses=denied))
    assert (await answer(gate, preflight()))[1].status == 403


async def test_other_options_are_the_backends(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port, origins=(PAGE,), cors=Cors()))
    _, server = await asked(gate, backend, write_head("OPTIONS /x HTTP/1.1", {"Host": "a.test", "Origin": PAGE}))
    assert server.head.line == "OPTIONS /x HTTP/1.1"


THEIRS = {ALLOW: "*", CREDENTIALS: "true", "access-control-allow-methods": "GET"}
EXPOSED = {CREDENTIALS: "true", "Access-Control-Expose-Headers": "X-A, X-B"}


@pytest.mark.parametrize(
    ("origins", "cors", "sent", "vary", "expected"),
    [
        ((PAGE,), Cors(), PAGE, "Accept", {ALLOW: PAGE, "Vary": "Origin"}),
        ((PAGE,), Cors(), PAGE, "accept, ORIGIN", {ALLOW: PAGE, "Vary": "accept, ORIGIN"}),
        ((PAGE,), Cors(), PAGE, "*", {ALLOW: PAGE, "Vary": "*"}),
        ((PAGE,), Cors(), None, "Accept", {"Vary": "Origin"}),
        ((PAGE,), Cors(credentials=True), "https://other.test", "Accept", {"Vary": "Origin"}),
        ((PAGE, "same-host"), Cors(), "http://gateway.test", "Accept", {"Vary": "Origin"}),
        (
            ("https://*.app.test",),
            Cors(credentials=True, expose=("X-A", "X-B")),
            "https://a.app.test",
            "Accept",
            {ALLOW: "https://a.app.test", **EXPOSED, "Vary": "Origin"},
        ),
        (("any",), Cors(), None, "Accept", {ALLOW: "*", "Vary": "Accept"}),
        (("any",), Cors(), "null", "Accept", {ALLOW: "*", "Vary": "Accept"}),
    ],
)
async def test_what_a_page_may_read(
    start_gate: StartGate,
    backend: Backend,
    origins: tuple[str, ...],
    cors: Cors,
    sent: str | None,
    vary: str,
    expected: dict[str, str],
) -> None:
    """Of a backend's own fields none is left. Caches keep the answers for each page apart."""
    gate = start_gate(forwarding(backend.port, origins=origins, cors=cors))
    client, server = await asked(gate, backend, plain_request(**({"Origin": sent} if sent else {})))
    await server.respond("200 OK", {**THEIRS, "Vary": vary}, b"hi")
    head = await client.read_head()
    assert own(head) == expected
    assert vary in head.all("Vary")
    assert await client.read_body() == b"hi"


async def test_refusals_can_be_read_too(start_gate: StartGate) -> None:
    changes = Headers(to_client=ToClient(add=(("X-Route", "{route}"),)))
    gate = start_gate(forwarding(1, origins=(PAGE,), cors=Cors(), headers=changes))
    _, head = await answer(gate, plain_request(Origin=PAGE))
    assert (head.status, head.one(ALLOW), head.one("X-Route")) == (502, PAGE, "it")


async def test_without_cors_the_backends_fields_go_through(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port, origins=(PAGE,)))
    client, server = await asked(gate, backend, preflight())
    await server.respond("200 OK", THEIRS, b"hi")
    assert own(await client.read_head()) == {ALLOW: "*", CREDENTIALS: "true"}


async def test_a_websocket_needs_none(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port, origins=(PAGE,), cors=Cors()))
    client = gate.connect()
    await client.write(request(headers={"Origin": PAGE}))
    server = await backend.accept_request()
    await server.accept_upgrade()
    head = await client.read_head()
    assert (head.status, own(head)) == (101, {})
