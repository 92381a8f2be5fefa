"""Questions over real sockets, to workers that answer, hang, die or are foreign."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import gateway_of, relay_to, route
from tests.log import Log
from wsgate.ops.admin import asking
from wsgate.ops.admin.asking import answer_questions, ask_workers, open_listeners_for_questions

ROUTES = {"ask": "routes"}


@pytest.fixture
async def listeners() -> AsyncIterator[list[socket.socket]]:
    listeners = open_listeners_for_questions(2)
    yield listeners
    for listener in listeners:
        listener.close()


async def test_every_worker_answers(nursery: trio.Nursery, listeners: list[socket.socket]) -> None:
    for number, listener in enumerate(listeners):
        nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), f"r{number}")), listener)
    answers = await ask_workers(listeners)(ROUTES)
    assert [found["routes"][0]["route"] for found in answers.found] == ["r0", "r1"]
    assert answers.missing == []
    nursery.cancel_scope.cancel()


async def test_a_worker_that_hangs(
    nursery: trio.Nursery, listeners: list[socket.socket], autojump_clock: MockClock
) -> None:
    """Its socket takes the question, and nothing comes: the others' answers are told without its."""
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[1])
    answers = await ask_workers(listeners)(ROUTES)
    assert (len(answers.found), answers.missing) == (1, [1])
    assert trio.current_time() <= asking.ASK_TIME + 1
    nursery.cancel_scope.cancel()


async def test_a_worker_that_is_gone(listeners: list[socket.socket]) -> None:
    ask = ask_workers(listeners)
    for listener in listeners:
        listener.close()
    assert (await ask(ROUTES)).missing == [1, 2]


async def test_what_is_no_question_ends_that_answer_alone(
    nursery: trio.Nursery, listeners: list[socket.socket], log: Log
) -> None:
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    ask = ask_workers(listeners[:1])
    assert (await ask({"ask": "none"})).missing == [1]
    assert log.events() == ["bug"]
    assert (await ask(ROUTES)).missing == []
    nursery.cancel_scope.cancel()


async def test_another_user_is_told_nothing(
    nursery: trio.Nursery, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    assert (await ask_workers(listeners[:1])(ROUTES)).missing == [1]
    nursery.cancel_scope.cancel()


async def test_more_than_is_read(
    nursery: trio.Nursery, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr(asking, "MOST_BYTES", 10)
    nursery.start_soon(answer_questions, gateway_of(route(relay_to(1), "r")), listeners[0])
    assert (await ask_workers(listeners[:1])(ROUTES)).missing == [1]
    assert log.events() == ["bug"]  # no program but this one asks here
    nursery.cancel_scope.cancel()
