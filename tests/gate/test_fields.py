"""The fields that a route changes, as backends and clients get them."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.conftest import CLIENT, StartGate, exchange_for, files_at, relay_to, route, tunnel_to
from tests.gate.handlers.test_forward import asked, forwarding
from tests.peers.heads import plain_request, request, write_head
from tests.peers.stream import Backend
from wsgate.gate.auth.identity import Admitted, Identity
from wsgate.gate.fields import fields_for_client, value_of
from wsgate.net.tls.handshake import ClientCertificate
from wsgate.settings.model import (
    Action,
    Auth,
    Basic,
    Errors,
    Headers,
    PlainHttp,
    Redirect,
    Respond,
    ToBackend,
    ToClient,
)
from wsgate.text.field import field_value
from wsgate.text.variables import VARIABLES
from wsgate.wire.http import HttpServer

ALL = tuple((f"X-{name.replace('_', '-')}", f"{{{name}}}") for name in VARIABLES)
CERTIFICATE = ClientCertificate("CN=worker 7,O=Example", "CN=CA", "01", "ab" * 32, "worker 7")
HSTS = ToClient(set_=(("Strict-Transport-Security", "max-age=60"),), remove=("server",))
BASIC = Auth(basic=Basic(users=("me:{PLAIN}x",)))


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:x".encode()).decode()


def test_variables() -> None:
    exchange = exchange_for(route(relay_to(1)), request(headers={"Host": "A.test:81"}), certificate=CERTIFICATE)
    exchange.admitted = Admitted([("basic", Identity("me"))])
    value = value_of(exchange)
    assert [value(name) for name in ("address", "host", "route", "subject", "user")] == [
        CLIENT.partition(":")[0],
        "A.test",
        "it",
        CERTIFICATE.subject,
        "me",
    ]


def test_variables_without_a_value() -> None:
    exchange = exchange_for(route(relay_to(1)), b"GET / HTTP/1.0\r\n\r\n")
    exchange.client = replace(exchange.client, chain=())
    assert {value_of(exchange)(name) for name in ("address", "host", "subject", "user")} == {""}


@given(st.text(), st.text())
def test_user_and_subject_names_cannot_split_a_field(user: str, subject: str) -> None:
    exchange = exchange_for(route(relay_to(1), headers=Headers(to_client=ToClient(add=ALL))))
    exchange.admitted = Admitted([("basic", Identity(user))])
    exchange.client = replace(exchange.client, certificate=replace(CERTIFICATE, subject=subject))
    fields = fields_for_client(exchange, ())
    names = {name for name, _ in ALL}
    assert {name.decode() for name, _ in fields} <= names
    for _, value in fields:
        assert field_value(value.decode("latin-1"))
    http = HttpServer()
    http.receive(request())
    http.next_request()
    assert http.switch(fields).count(b"\r\n") == len(fields) + 2


# -- to the backend ----------------------------------------------------------------------------------------------------

FOR_BACKEND = Headers(
    to_backend=ToBackend(
        set_=(("X-User", "{user}"), ("X-Forwarded-Proto", "wss")),
        add=(("X-By", "{route} for {address}"),),
        remove=("cookie", "x-forwarded-host", "via", "x-real-name"),
    )
)
SENT = {
    "Authorization": basic("me"),
    "Cookie": "a=b",
    "X-User": "admin",
    "X_User": "admin",
    "X-By": "client",
    "X_Real_Name": "admin",
}


def check_backend(head: Any) -> None:
    assert head.all("X-User") == ["me"]
    assert head.all("X_User") == head.all("X_Real_Name") == head.all("Cookie") == head.all("Via") == []
    assert head.all("X-By") == ["client", "it for 192.0.2.7"]
    assert head.all("X-Forwarded-Proto") == ["wss"]
    assert head.all("X-Forwarded-Host") == []
    assert head.all("X-Forwarded-For") == ["192.0.2.7"]


async def test_an_upgrade_to_a_backend(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), headers=FOR_BACKEND, auth=BASIC))
    client = gate.connect()
    await client.write(request(headers=SENT))
    server = await backend.accept_request()
    check_backend(server.head)


async def test_plain_http_to_a_backend(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(forwarding(backend.port, headers=FOR_BACKEND, auth=BASIC))
    chunked = {"Host": "a.test", "Transfer-Encoding": "chunked", **SENT}
    _, server = await asked(gate, backend, write_head("POST / HTTP/1.1", chunked))
    check_backend(server.head)
    await gate.peers[0].write(b"1\r\nx\r\n0\r\nX-User: admin\r\nX-Other: 1\r\n\r\n")
    end = b"1\r\nx\r\n0\r\nX-Other: 1\r\n\r\n"
    assert await server.read(len(end)) == end


async def test_a_user_that_is_none_leaves_the_field_out(start_gate: StartGate, backend: Backend) -> None:
    """A client cannot claim to be one."""
    gate = start_gate(route(relay_to(backend.port), headers=FOR_BACKEND))
    await gate.connect().write(request(headers=SENT))
    server = await backend.accept_request()
    assert server.head.all("X-User") == []


@pytest.mark.parametrize(
    ("origin", "told"), [("keep", ["https://a.test"]), ("remove", []), ("https://b.test", ["https://b.test"])]
)
async def test_the_origin_that_a_backend_is_told(
    start_gate: StartGate, backend: Backend, origin: str, told: list[str]
) -> None:
    sent = {"Origin": "https://a.test"}
    gate = start_gate(route(relay_to(backend.port, origin=origin), http=PlainHttp.FORWARD))
    for head in (request(headers=sent), plain_request(**sent)):
        await gate.connect().write(head)
        assert (await backend.accept_request()).head.all("Origin") == told


# -- to the client -----------------------------------------------------------------------------------------------------


async def test_the_101_of_a_relay(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), headers=Headers(to_client=HSTS)))
    client = gate.connect()
    await client.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade({"Server": "secret", "X-Other": "1"})
    head = await client.read_head()
    assert head.status == 101
    assert (head.one("Server"), head.one("X-Other")) == (None, "1")
    assert head.one("Strict-Transport-Security") == "max-age=60"


async def test_the_101_of_a_tunnel_and_its_close(start_gate: StartGate, backend: Backend) -> None:
    changes = Headers(to_client=HSTS)
    gate = start_gate(route(tunnel_to(backend.port), errors=Errors.CLOSE, headers=changes))
    client = gate.connect()
    await client.write(request())
    await backend.accept()
    assert (await client.read_head()).one("Strict-Transport-Security") == "max-age=60"
    await backend.aclose()
    client = gate.connect()
    await client.write(request())
    head = await client.read_head()
    assert (head.status, head.one("Strict-Transport-Security")) == (101, "max-age=60")


async def test_plain_http_to_a_client(start_gate: StartGate, backend: Backend) -> None:
    """Trailers, too, have no field that is removed or set."""
    gate = start_gate(forwarding(backend.port, headers=Headers(to_client=HSTS)))
    client, server = await asked(gate, backend)
    await server.write(b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    await server.write(b"1\r\nx\r\n0\r\nServer: x\r\nX-Other: 1\r\n\r\n")
    head = await client.read_head()
    assert (head.one("Server"), head.one("Strict-Transport-Security")) == (None, "max-age=60")
    end = b"1\r\nx\r\n0\r\nX-Other: 1\r\n\r\n"
    assert await client.read(len(end)) == end


async def test_answers_of_the_gateway_itself(start_gate: StartGate, tmp_path: Path) -> None:
    """Refusals, too, as with nginx's always."""
    (tmp_path / "a.txt").write_text("a")
    changes = Headers(to_client=replace(HSTS, set_=(*HSTS.set_, ("Cache-Control", "no-store"))))
    actions: list[Action] = [
        Respond(status=404, headers=(("Server", "x"),)),
        Redirect(to="/x"),
        files_at(tmp_path),
        relay_to(1),
    ]
    for action in actions:
        for path in ("/a.txt", "/none"):
            client = start_gate(route(action, headers=changes)).connect()
            await client.write(plain_request(path))
            head = await client.read_head()
            assert head.all("Strict-Transport-Security") == ["max-age=60"], action
            assert head.all("Cache-Control") == ["no-store"]
            assert head.one("Server") is None
    refused = start_gate(route(relay_to(1), headers=changes, auth=BASIC)).connect()
    await refused.write(request())
    head = await refused.read_head()
    assert (head.status, head.one("Strict-Transport-Security")) == (401, "max-age=60")
