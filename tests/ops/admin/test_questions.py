"""Questions to a running gateway with real sessions."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.gate.conftest import Gate, StartGate, at, closed, relay_to, route
from tests.log import Log
from tests.peers.frames import Frame, close_frame
from tests.peers.stream import Backend, open_session
from wsgate.ops.admin import questions
from wsgate.ops.admin.asking import ask_here
from wsgate.ops.admin.filters import SORTS, sort_key
from wsgate.ops.admin.questions import answer
from wsgate.settings.model import Respond, Settings
from wsgate.site.build import build

SESSIONS = {"ask": "sessions", "filter": {}, "sort": "id", "first": 10}


async def listed(gate: Gate, question: dict[str, Any] = SESSIONS) -> dict[str, Any]:
    """The answer about the first sessions, and these."""
    found = await answer(gate.gateway, question)
    ids = [id for _, id in found["order"]]
    return {**found, **await answer(gate.gateway, {"ask": "described", "ids": [*ids, "gone"]})}


async def test_sessions(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    first = gate.connect("192.0.2.1:5000")
    await open_session(first, backend, "/a?token=secret")
    await open_session(gate.connect("192.0.2.2:5000"), backend, "/b")
    found = await listed(gate)
    assert found["total"] == 2
    assert [each["id"] for each in found["sessions"]] == ["1", "2"]
    one = found["sessions"][0]
    assert (one["route"], one["client"], one["path"], one["state"]) == ("chat", "192.0.2.1:5000", "/a", "open")
    assert one["since"].endswith("Z")
    assert one["bytes_up"] == one["messages_down"] == 0
    assert "secret" not in str(found)
    found = await listed(gate, {**SESSIONS, "sort": "-id", "first": 1, "filter": {"client": "192.0.2.2"}})
    assert (found["total"], found["sessions"][0]["id"]) == (1, "2")


async def test_the_first_of_many_in_every_order(
    start_gate: StartGate, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if all of them were described and sorted, though only few are kept at a time."""
    monkeypatch.setattr(questions, "STEP", 2)
    gate = start_gate(route(relay_to(backend.port), "chat"), route(relay_to(backend.port), "b", match=at("/b")))
    for number in (3, 1, 5, 2, 4):
        client = gate.connect(f"192.0.2.{number}:5000")
        server = await open_session(client, backend, "/b" if number % 2 else "/")
        for _ in range(number % 3):
            await client.send(Frame(1, b"hello"))
            await server.receive()
    for sort in [*SORTS, *(f"-{name}" for name in SORTS)]:
        everything = await listed(gate, {**SESSIONS, "sort": sort})
        assert everything["total"] == 5
        order = [each["id"] for each in everything["sessions"]]
        key, name = sort_key(sort), sort.removeprefix("-")
        if name in ("since", "duration"):  # their values have milliseconds only
            assert order == (list("12345") if sort in ("since", "-duration") else list("54321"))
        else:
            keys = [key(each.get(name)) for each in everything["sessions"]]
            assert keys == sorted(keys)
        for first in range(5):
            some = await listed(gate, {**SESSIONS, "sort": sort, "first": first})
            assert some["total"] == 5
            assert [each["id"] for each in some["sessions"]] == order[:first]


async def test_one_session(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    await open_session(gate.connect(), backend)
    ask = ask_here(gate.gateway)
    (found,) = (await ask({"ask": "session", "id": "1"})).found
    assert found["session"]["backend"] == f"ws://127.0.0.1:{backend.port}"
    (none,) = (await ask({"ask": "session", "id": "2"})).found
    assert none == {"session": None}


async def test_sessions_that_have_ended(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"))
    question = {"ask": "ended", "filter": {}, "first": 10}
    assert await answer(gate.gateway, question) == {"sessions": []}
    for code in (4001, 4002):
        client = gate.connect("192.0.2.1:5000")
        server = await open_session(client, backend, "/a?token=secret")
        await client.send(close_frame(code, "done"))
        await server.receive_close()
        await server.send(close_frame(code))
        assert (await client.receive_close())[0] == code
        await server.stream.aclose()
        await client.read_end()
        await client.stream.aclose()
        await closed(gate)
    newest, oldest = (await answer(gate.gateway, question))["sessions"]
    assert [each["client_code"] for each in (newest, oldest)] == [4002, 4001]
    assert (newest["id"], newest["route"], newest["path"]) == ("2", "chat", "/a")
    assert (newest["ended_by"], newest["reason"], newest["client_reason"]) == ("client", "closed", "done")
    assert newest["ended"].endswith("Z")
    assert newest["duration"] >= 0
    (found,) = (await answer(gate.gateway, {**question, "filter": {"q": "2"}, "first": 1}))["sessions"]
    assert found["id"] == "2"
    assert await answer(gate.gateway, {**question, "filter": {"route": "none"}}) == {"sessions": []}


async def test_close(start_gate: StartGate, backend: Backend, log: Log) -> None:
    """Both sides are told, and the log says who did it."""
    gate = start_gate(route(relay_to(backend.port), "chat"), route(relay_to(backend.port), "b", match=at("/b")))
    client = gate.connect()
    server = await open_session(client, backend)
    question = {"ask": "close", "ids": ["1", "7"], "filter": {}, "code": 4001, "reason": "go"}
    assert await answer(gate.gateway, question) == {"closed": ["1"]}
    assert await answer(gate.gateway, question) == {"closed": []}  # it is closing already
    assert await client.receive_close() == (4001, "go")
    assert await server.receive_close() == (4001, "go")
    (closing,) = (await listed(gate))["sessions"]
    assert closing["state"] == "closing"
    await client.send(close_frame(4001))
    await server.send(close_frame(4001))
    await client.read_end()
    await server.stream.aclose()
    await client.stream.aclose()
    await closed(gate)
    other = gate.connect()
    await open_session(other, backend)
    by_filter = {**question, "ids": None, "filter": {"route": "b"}}
    assert await answer(gate.gateway, by_filter) == {"closed": []}
    assert await answer(gate.gateway, {**by_filter, "filter": {"route": "chat"}}) == {"closed": ["2"]}
    ended = log.one("session")
    assert (ended["reason"], ended["ended_by"], ended["client_code"]) == ("operator", "gateway", 4001)


async def test_a_move(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(relay_to(backend.port), "other", match=at("/other")), route(relay_to(backend.port), "chat"))
    for path in ("/", "/", "/other"):
        await open_session(gate.connect(), backend, path)
    moves, question = gate.gateway.session_moves, {"ask": "move", "share": 100, "over": 5.0}
    assert await answer(gate.gateway, {**question, "route": "chat"}) == {"sessions": 2, "found": True}
    assert moves.take() is not None
    assert await answer(gate.gateway, {**question, "route": None}) == {"sessions": 3, "found": True}
    assert await answer(gate.gateway, {**question, "route": "gone"}) == {"sessions": 0, "found": False}
    move = moves.take()
    assert move is not None
    assert (sorted(move[0]), move[1]) == (["1", "2", "3"], 5.0)


async def test_backends_and_their_drain(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"), route(Respond(), "none", match=at("/none")))
    client = gate.connect()
    await open_session(client, backend)
    name = f"ws://127.0.0.1:{backend.port}"
    (found,) = (await answer(gate.gateway, {"ask": "backends"}))["backends"]
    assert (found["route"], found["backend"], found["sessions"]) == ("chat", name, 1)
    assert (found["healthy"], found["ejected"], found["draining"]) == (True, False, False)
    question = {"ask": "drain backend", "route": None, "backend": name, "on": True}
    assert await answer(gate.gateway, {**question, "route": "chat"}) == {"routes": ["chat"]}
    assert (await answer(gate.gateway, {"ask": "backends"}))["backends"][0]["draining"]
    assert await answer(gate.gateway, {**question, "on": False}) == {"routes": ["chat"]}
    assert not (await answer(gate.gateway, {"ask": "backends"}))["backends"][0]["draining"]
    assert await answer(gate.gateway, {**question, "backend": "ws://other"}) == {"routes": []}
    assert await answer(gate.gateway, {**question, "route": "none"}) == {"routes": []}


async def test_the_drain_of_a_route(start_gate: StartGate, backend: Backend, log: Log) -> None:
    gate = start_gate(route(relay_to(backend.port), "chat"), route(Respond(), "none", match=at("/none")))
    ask = {"ask": "drain route", "route": "chat", "on": True}
    assert await answer(gate.gateway, ask) == {"found": True, "has_sessions": True}
    assert "chat" in gate.gateway.route_drains
    assert (await answer(gate.gateway, {"ask": "backends"}))["backends"][0]["draining"]
    assert (await answer(gate.gateway, {"ask": "routes"}))["routes"][0]["draining"]
    assert await answer(gate.gateway, {**ask, "route": "none"}) == {"found": True, "has_sessions": False}
    assert await answer(gate.gateway, {**ask, "route": "other"}) == {"found": False, "has_sessions": False}
    assert gate.gateway.route_drains.routes == {"chat"}
    gate.gateway.use_site(build(Settings(listeners=(), routes=())))
    undo = {**ask, "on": False}
    assert await answer(gate.gateway, undo) == {"found": True, "has_sessions": True}  # though the route is gone
    assert await answer(gate.gateway, undo) == {"found": False, "has_sessions": False}
    assert gate.gateway.route_drains.routes == set()


async def test_routes(start_gate: StartGate, backend: Backend) -> None:
    gate = start_gate(route(Respond(), "none", match=at("/none")), route(relay_to(backend.port), "chat"))
    await open_session(gate.connect(), backend)
    assert (await answer(gate.gateway, {"ask": "routes"}))["routes"] == [
        {
            "route": "none",
            "action": "respond",
            "host": [],
            "path": "/none",
            "http": False,
            "sessions": 0,
            "draining": False,
        },
        {
            "route": "chat",
            "action": "relay",
            "host": [],
            "path": None,
            "http": "reject",
            "sessions": 1,
            "draining": False,
        },
    ]


async def test_the_configuration(start_gate: StartGate) -> None:
    gate = start_gate(route(relay_to(1), "chat"))
    shown = (await answer(gate.gateway, {"ask": "config"}))["config"]
    assert shown["routes"][0]["name"] == "chat"
    gate.gateway.use_site(build(Settings(listeners=(), routes=(), workers=2)))
    assert (await answer(gate.gateway, {"ask": "config"}))["config"]["workers"] == 2


async def test_the_log_level(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(route(relay_to(1)))
    logging.getLogger("wsgate").setLevel("INFO")
    for _ in range(2):
        assert await answer(gate.gateway, {"ask": "level", "level": "debug"}) == {}
    assert logging.getLogger("wsgate").level == logging.DEBUG
    line = log.one("log level changed")
    assert (line["before"], line["now"]) == ("info", "debug")
