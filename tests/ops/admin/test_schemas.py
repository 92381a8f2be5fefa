"""The schemas of the API's answers: schemas, and of what a gateway answers."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.gate.conftest import StartGate, at, relay_to, route
from tests.peers.stream import Backend, open_session
from wsgate.gate.gateway import Gateway
from wsgate.ops.admin.history import Point
from wsgate.ops.admin.questions import answer
from wsgate.ops.admin.schemas import NAMED, Schema
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import Respond


@pytest.mark.parametrize("name", NAMED)
def test_each_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(NAMED[name])


def check(value: Any, schema: Schema) -> None:
    """An answer has what its schema says, and nothing that it does not."""
    jsonschema.validate(value, schema, jsonschema.Draft202012Validator)
    assert value.keys() <= schema["properties"].keys()


async def ask(gateway: Gateway, name: str) -> list[Any]:
    question = {"ask": "described" if name == "sessions" else name, "ids": ["1"]}
    found: list[Any] = (await answer(gateway, question))[name]
    return found


async def test_what_a_gateway_answers(start_gate: StartGate, backend: Backend) -> None:
    chat = route(relay_to(backend.port), "chat", match=at("/"))
    gate = start_gate(chat, route(Respond(), "none"))
    await open_session(gate.connect(), backend)
    for name, schema in (("sessions", "Session"), ("backends", "Backend"), ("routes", "Route")):
        found = await ask(gate.gateway, name)
        assert found
        for each in found:
            check(each, NAMED[schema])


def test_a_point_of_the_history() -> None:
    point = Point(1.0, 2, 3.0, 4.0, 5.0, 6.0).plain()
    jsonschema.validate(point, NAMED["History"]["properties"]["points"]["items"], jsonschema.Draft202012Validator)


def test_a_session_may_have_all_that_is_known_of_a_client() -> None:
    info = ClientInfo("192.0.2.7:1", "192.0.2.8:1", "CN=a", "ann", "example.com", "curl")
    assert info.fields().keys() <= NAMED["Session"]["properties"].keys()
