from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from wsgate.gate.access_log import ended, forwarded, opened, refused
from wsgate.relay.closing import Cause, Side
from wsgate.relay.session import Outcome
from wsgate.relay.session_info import ClientInfo, SessionInfo
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
    ended(session, Outcome(cause, side, detail, 1000, None, 1, 2, 30, 40, 0.01234, None))
    assert log.records[0].levelname == "INFO"
    assert log.one("session") == {
        **WHO,
        "duration": 90.123,
        "messages_up": 1,
        "messages_down": 2,
        "bytes_up": 30,
        "bytes_down": 40,
        "client_code": 1000,
        "backend_code": None,
        "client_rtt_ms": 12.3,
        "backend_rtt_ms": None,
        "ended_by": ended_by,
        "reason": cause.value,
        "detail": told,
    }


def test_who_is_in_the_log(log: Log) -> None:
    """Only what is known."""
    everything = {"client": "192.0.2.7", "peer": "10.0.0.1:5", "subject": "CN=worker 7"}
    opened(SessionInfo("1f", "chat", ClientInfo(*everything.values()), "ws://b", "/chat", None, 0.0))
    refused(ClientInfo(*everything.values()), "/chat", None, Refusal(404, "no"))
    for event in ("opened", "refused"):
        assert everything.items() <= log.one(event).items()


def test_a_refusals_line(log: Log) -> None:
    """What was for the client's eyes, and what was not."""
    refused(
        ClientInfo("192.0.2.7:50000"),
        "/chat",
        None,
        Refusal(502, "the backend cannot be reached", detail="10.0.0.7 refuses"),
        "7f",
    )
    assert log.one("refused") == {
        "status": 502,
        "client": "192.0.2.7:50000",
        "path": "/chat",
        "route": None,
        "reason": "the backend cannot be reached",
        "detail": "10.0.0.7 refuses",
        "request_id": "7f",
    }


async def test_a_forwarded_requests_line(log: Log, autojump_clock: MockClock) -> None:
    client = ClientInfo("192.0.2.7:5", host="a.test")
    await trio.sleep(1.5)
    forwarded(client, "GET", "/x", "app", "ws://b", 200, since=0.25, bytes_up=1, bytes_down=2, detail="")
    assert log.one("forwarded") == {
        "status": 200,
        "method": "GET",
        "client": "192.0.2.7:5",
        "host": "a.test",
        "path": "/x",
        "route": "app",
        "backend": "ws://b",
        "bytes_up": 1,
        "bytes_down": 2,
        "duration": 1.25,
        "detail": None,
        "request_id": None,
    }


async def test_a_forwarded_requests_line_that_nobody_wants(log: Log) -> None:
    log.captured.set_level(logging.WARNING, "wsgate")
    forwarded(ClientInfo("c"), "GET", "/x", "app", "ws://b", 200, since=0.0, bytes_up=1, bytes_down=2)
    assert log.all("forwarded") == []
