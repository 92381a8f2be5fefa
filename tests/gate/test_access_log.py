from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from tests.gate.conftest import CLIENT, NOWHERE, exchange_for, route
from tests.log import Log
from wsgate.gate.access_log import answered, ended, opened, refused, refused_early, throttled
from wsgate.gate.auth.identity import Admitted, Identity
from wsgate.relay.closing import Cause, Side
from wsgate.relay.codec_work import CodecWork
from wsgate.relay.outcome import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
from wsgate.settings.model import Log as LogSettings
from wsgate.settings.model import LogAccess
from wsgate.wire.http import Refusal

WHO = {
    "id": "1f",
    "route": "chat",
    "client": "192.0.2.7:50000",
    "backend": "ws://b",
    "path": "/chat",
    "subprotocol": None,
    "request_id": "7f",
}


def about() -> SessionInfo:
    return SessionInfo("1f", "chat", ClientInfo("192.0.2.7:50000"), "ws://b", "/chat", None, trio.current_time(), "7f")


async def test_the_start_of_a_session_has_its_line(log: Log) -> None:
    opened(about())
    assert log.records[0].levelname == "INFO"
    assert log.one("opened") == WHO


@pytest.mark.parametrize(
    ("cause", "side", "detail", "ended_by", "told"),
    [
        (Cause.CLOSED, Side.CLIENT, "", "client", None),
        (Cause.FAULT, Side.BACKEND, "server frame is masked", "backend", "server frame is masked"),
        (Cause.DRAIN, None, "", "gateway", None),
    ],
)
async def test_a_sessions_line(
    log: Log,
    autojump_clock: MockClock,
    cause: Cause,
    side: Side | None,
    detail: str,
    ended_by: str,
    told: str | None,
) -> None:
    session = about()
    await trio.sleep(90.12345)
    ended(session, Outcome(cause, side, detail, 1000, None, 1, 2, 30, 40, 0.01234, None, 30, None, "bye"))
    assert log.records[0].levelname == "INFO"
    assert log.one("session") == {
        **WHO,
        "duration": 90.123,
        "messages_up": 1,
        "messages_down": 2,
        "largest_up": 30,
        "largest_down": None,
        "bytes_up": 30,
        "bytes_down": 40,
        "client_rtt_ms": 12.3,
        "backend_rtt_ms": None,
        "client_code": 1000,
        "backend_code": None,
        "client_reason": "bye",
        "backend_reason": None,
        "ended_by": ended_by,
        "reason": cause.value,
        "detail": told,
    }


def test_who_is_in_the_log(log: Log) -> None:
    """Only what is known."""
    everything = {"client": "192.0.2.7", "peer": "10.0.0.1:5", "subject": "CN=worker 7"}
    opened(SessionInfo("1f", "chat", ClientInfo(*everything.values()), "ws://b", "/chat", None, 0.0))
    refused_early(LogAccess.ALL, Refusal(404, "no"), ClientInfo(*everything.values()))
    for event in ("opened", "refused"):
        assert everything.items() <= log.one(event).items()


UNREACHABLE = Refusal(502, "the backend cannot be reached", detail="10.0.0.7 refuses")
ASKED = b"POST /x?token=secret HTTP/1.1\r\nHost: a.test\r\nUser-Agent: Mozilla/5.0\r\nContent-Length: 1\r\n\r\n"
WHAT = {
    "method": "POST",
    "client": CLIENT,
    "host": "a.test",
    "user_agent": "Mozilla/5.0",
    "path": "/x",
    "route": "app",
}


async def test_the_line_of_an_answer(log: Log, autojump_clock: MockClock) -> None:
    exchange = exchange_for(route(NOWHERE, "app"), ASKED)
    exchange.since, exchange.request_id = trio.current_time(), "7f"
    exchange.admitted = Admitted([("basic", Identity("alice"))])
    await trio.sleep(1.25)
    answered(exchange, 200, backend="ws://b", bytes_up=1, bytes_down=2)
    assert log.records[0].levelname == "INFO"
    assert log.one("answered") == {
        "status": 200,
        **WHAT,
        "user": "alice",
        "backend": "ws://b",
        "bytes_up": 1,
        "bytes_down": 2,
        "duration": 1.25,
        "cause": None,
        "reason": None,
        "detail": None,
        "request_id": "7f",
    }


async def test_the_line_of_a_refusal_has_the_same_fields(log: Log, autojump_clock: MockClock) -> None:
    """In the same order. What was for the client's eyes, and what was not."""
    exchange = exchange_for(route(NOWHERE, "app"), ASKED)
    exchange.since = trio.current_time()
    answered(exchange, 200)
    refused(exchange, UNREACHABLE)
    assert log.one("refused") == {
        "status": 502,
        **WHAT,
        "backend": None,
        "bytes_up": None,
        "bytes_down": None,
        "duration": 0.0,
        "cause": "backend_failed",
        "reason": "the backend cannot be reached",
        "detail": "10.0.0.7 refuses",
        "request_id": None,
    }
    assert list(log.one("refused")) == list(log.one("answered"))


def test_a_refusal_without_a_request(log: Log) -> None:
    refused_early(LogAccess.ALL, Refusal(400, "malformed request"), ClientInfo("192.0.2.7:50000"))
    assert {name: value for name, value in log.one("refused").items() if value is not None} == {
        "status": 400,
        "client": "192.0.2.7:50000",
        "cause": "bad_request",
        "reason": "malformed request",
    }


@pytest.mark.parametrize(
    ("access", "level", "statuses"),
    [
        (LogAccess.ALL, logging.INFO, [200, 308, 404]),
        (LogAccess.ERRORS, logging.INFO, [404]),
        (LogAccess.OFF, logging.INFO, []),
        (LogAccess.ALL, logging.WARNING, []),
    ],
)
async def test_which_answers_have_a_line(log: Log, access: LogAccess, level: int, statuses: list[int]) -> None:
    log.captured.set_level(level, "wsgate")
    exchange = exchange_for(route(NOWHERE, "app"), ASKED, log=LogSettings(access=access))
    answered(exchange, 200)
    for status in (308, 404):
        refused(exchange, Refusal(status, "no"))
    assert [record.fields["status"] for record in log.records] == statuses  # type: ignore[attr-defined]


async def test_the_line_of_a_throttled_session_has_the_seconds(log: Log) -> None:
    outcome = Outcome(Cause.CLOSED, Side.CLIENT, "", 1000, None, 1, 2, 30, 40, None, None)
    ended(about(), outcome)
    assert not {"throttled_up", "throttled_down"} & log.one("session").keys()
    outcome.throttled_up = 1.23456
    log.records.clear()
    ended(about(), outcome)
    line = log.one("session")
    assert (line["throttled_up"], line["throttled_down"]) == (1.235, 0.0)


async def test_the_line_of_a_compressed_session_has_both_sizes(log: Log) -> None:
    outcome = Outcome(Cause.CLOSED, Side.CLIENT, "", 1000, None, 1, 2, 30, 40, None, None)
    ended(about(), outcome)
    assert "plain_up" not in log.one("session")
    outcome.codec_up = CodecWork(received=10, inflated=100, plain=100, deflated=12)
    outcome.codec_down = CodecWork(plain=200, deflated=20)
    log.records.clear()
    ended(about(), outcome)
    line = log.one("session")
    assert (line["plain_up"], line["compressed_up"]) == (100, 10)
    assert (line["plain_down"], line["compressed_down"]) == (200, 20)


async def test_a_throttle_has_a_line(log: Log) -> None:
    throttled(about(), Side.BACKEND, "more than 5 messages per second")
    assert log.records[0].levelname == "INFO"
    assert log.one("throttled") == {**WHO, "side": "backend", "detail": "more than 5 messages per second"}
