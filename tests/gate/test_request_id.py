"""The id of a request: made or kept, in the log, and with the backend."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.conftest import Gate, StartGate, exchange_for, relay_to, route
from tests.gate.handlers.test_forward import answered, forwarding
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from wsgate.gate.request_id import id_of_request
from wsgate.settings.model import Headers, KeepRequestId, Network, RequestId, ToBackend, ToClient

PROXY = Network(ipaddress.ip_network("192.0.2.0/24"))
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def id_for(settings: RequestId | None, *sent: str, trusted: bool = False) -> str:
    fields = "".join(f"x-request-id: {value}\r\n" for value in sent)
    head = f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode("latin-1")
    exchange = exchange_for(route(relay_to(1)), head, trusted=(PROXY,) if trusted else ())
    return id_of_request(settings, exchange.request, exchange.client)


def test_ids_are_never_the_same() -> None:
    ids = {id_for(RequestId()) for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(id) for id in ids} == {24}


@pytest.mark.parametrize(
    ("keep", "trusted", "kept"),
    [
        (KeepRequestId.TRUSTED, True, True),
        (KeepRequestId.TRUSTED, False, False),
        (KeepRequestId.ANY, False, True),
        (KeepRequestId.NEVER, True, False),
    ],
)
def test_whose_id_is_kept(keep: KeepRequestId, trusted: bool, kept: bool) -> None:
    assert (id_for(RequestId(keep=keep), UUID, trusted=trusted) == UUID) is kept


@pytest.mark.parametrize("sent", [(), ("",), ("a b",), ("a,b",), ('"a"',), ("\xe9",), ("x" * 129,), ("a", "b")])
def test_only_what_is_short_and_plain_is_kept(sent: tuple[str, ...]) -> None:
    assert len(id_for(RequestId(keep=KeepRequestId.ANY), *sent)) == 24


@given(st.from_regex(r"\A[A-Za-z0-9._:/+=@~-]{1,128}\Z"))
def test_what_is_kept(sent: str) -> None:
    assert id_for(RequestId(keep=KeepRequestId.ANY), sent) == sent


def test_off() -> None:
    assert id_for(None, UUID, trusted=True) == ""


async def test_an_upgrade(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """The backend gets no other, nor one that it may take for it."""
    changes = Headers(to_client=ToClient(set_=(("X-Request-Id", "{request_id}"),)))
    client = start_gate(route(relay_to(backend.port), headers=changes)).connect()
    await client.write(request(headers={"X-Request-Id": "mine", "X_Request_Id": "mine"}))
    server = await backend.accept_request()
    id = server.head.one("X-Request-Id")
    assert id is not None
    assert server.head.all("X_Request_Id") == []
    await server.accept_upgrade()
    assert (await client.read_head()).one("X-Request-Id") == id
    await client.reset()
    await server.read_all()
    assert log.one("opened")["request_id"] == id


async def asked_twice(gate: Gate, backend: Backend) -> list[str]:
    client = gate.connect()
    await client.write(plain_request())
    server = await backend.accept_request()
    heads = [server.head]
    await answered(client, server)
    await client.write(plain_request())
    heads.append(await server.read_head())
    await answered(client, server)
    return [value for head in heads for value in head.all("X-Request-Id") + head.all("X-Trace")]


async def test_each_request_of_a_connection_has_its_own(start_gate: StartGate, backend: Backend, log: Log) -> None:
    ids = await asked_twice(start_gate(forwarding(backend.port)), backend)
    assert len(set(ids)) == 2
    assert [line["request_id"] for line in log.all("answered")] == ids


async def test_another_name_and_none(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(forwarding(backend.port), request_id=RequestId(header="X-Trace"))
    assert len(await asked_twice(gate, backend)) == 2
    gate = start_gate(forwarding(backend.port), request_id=None)
    assert await asked_twice(gate, backend) == []
    assert log.all("answered")[-1]["request_id"] is None
    gate = start_gate(forwarding(backend.port, headers=Headers(to_backend=ToBackend(remove=("x-request-id",)))))
    assert await asked_twice(gate, backend) == []


async def test_refusals(start_gate: StartGate, log: Log) -> None:
    """With a route and without one; a request that cannot be read has none."""
    gate = start_gate(route(relay_to(1)), trusted_proxies=(PROXY,))
    for head in (plain_request(**{"X-Request-Id": "a"}), request(headers={"X-Request-Id": "b"})):
        client = gate.connect()
        await client.write(head)
        await client.read_head()
    nothing = start_gate(trusted_proxies=(PROXY,)).connect()
    await nothing.write(plain_request(**{"X-Request-Id": "c"}))
    await nothing.read_head()
    broken = gate.connect()
    await broken.write(b"\x00")
    await broken.read_head()
    assert [(line["status"], line["request_id"]) for line in log.all("refused")] == [
        (426, "a"),
        (502, "b"),
        (404, "c"),
        (400, None),
    ]
