"""One connection's story, in-process: what it gets, what its backend gets, and the line in the log."""

from __future__ import annotations

import os
import socket
import zlib
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.gate.conftest import CLIENT, NOWHERE, StartGate, address_of, at, below, files_at, relay_to, route
from tests.limits import refusing
from tests.log import Log
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend, Peer, open_session
from wsgate.gate import connection
from wsgate.gate.handlers.representation import limiter
from wsgate.net.plain import take_over
from wsgate.settings.model import (
    ClientTarget,
    Defaults,
    Match,
    PathKind,
    PathPattern,
    Place,
    PlaceKind,
    TargetRule,
    Timeouts,
    Tunnel,
)
from wsgate.text.regexes import MAX_LENGTH

TIMEOUTS = Timeouts()  # 10 s for a handshake, 5 s for a connection and for a close
DEFAULTS = Defaults()


async def answer_to(peer: Peer, data: bytes) -> int:
    """The status of the one answer to ``data``, behind which the connection ends."""
    await peer.write(data)
    head = await peer.read_head()
    assert head.one("Content-Type") == "text/plain; charset=utf-8"
    assert (head.one("Date") or "").endswith(" GMT")
    body = await peer.read_body()
    assert body.startswith(b"%d " % head.status)
    assert body.endswith(b"\n")
    assert "close" in [value.lower() for value in head.all("Connection")]
    await peer.read_end()
    return head.status


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_no_route(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(route(NOWHERE, match=at("/chat")))
    assert await answer_to(gate.connect(), request("/other?token=secret")) == 404
    line = log.one("refused")
    assert line.pop("request_id")
    assert line == {
        "status": 404,
        "method": "GET",
        "client": CLIENT,
        "host": "gateway.test",
        "path": "/other",
        "route": None,
        "backend": None,
        "bytes_up": None,
        "bytes_down": None,
        "duration": pytest.approx(0.0, abs=60.0),
        "cause": "no_route",
        "reason": "no route for this host, path and subprotocol",
        "detail": None,
    }


async def test_a_path_too_long_for_an_expression_goes_to_no_later_route(start_gate: StartGate, log: Log) -> None:
    expression = Match(path=PathPattern(PathKind.REGEX, "^/private/.*"))
    gate = start_gate(route(NOWHERE, "private", match=expression), route(NOWHERE, "public"))
    assert await answer_to(gate.connect(), request("/private/" + "x" * MAX_LENGTH)) == 414
    assert log.one("refused")["route"] is None
    assert await answer_to(gate.connect(), request("/other/" + "x" * MAX_LENGTH)) == 502  # that is not the first one's


async def test_a_backend_that_fails_and_comes_back_is_said_once_each(start_gate: StartGate, log: Log) -> None:
    """Not for every client; and with its name."""
    bound = trio.socket.socket()
    await bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    gate = start_gate(route(relay_to(port), "chat"))
    for _ in range(3):
        assert await answer_to(gate.connect(), request()) == 502
    said = f"cannot connect to 127.0.0.1:{port}: Connection refused"
    which = {"route": "chat", "backend": f"ws://127.0.0.1:{port}"}
    assert log.one("backend failed") == {**which, "error": said}
    bound.listen()
    backend = Backend(trio.SocketListener(bound))
    for _ in range(2):
        await open_session(gate.connect(), backend)
    assert log.one("backend well again") == which
    await backend.aclose()


async def test_nothing_is_said_of_targets_that_clients_name(start_gate: StartGate, log: Log) -> None:
    """Clients could fill the log with them; each is in the line of its client."""
    with refusing() as closed:
        named = ClientTarget(from_=(Place(PlaceKind.QUERY, "to"),))
        gate = start_gate(route(Tunnel(target=named, allow=(TargetRule("127.0.0.1"),))))
        assert await answer_to(gate.connect(), request(f"/?to=127.0.0.1:{closed}")) == 502
    assert log.events() == ["refused"]


async def test_a_plain_request_where_websocket_is_spoken(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(route(NOWHERE))
    for data in (plain_request(), b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
        peer = gate.connect()
        assert await answer_to(peer, data) == 426
        assert peer.head.one("Upgrade") == "websocket"
        assert "upgrade" in [token.lower() for token in peer.head.all("Connection")]
    assert {fields["route"] for fields in log.all("refused")} == {"it"}


async def test_websocket_where_files_are_served(start_gate: StartGate, tmp_path: Path) -> None:
    gate = start_gate(route(files_at(tmp_path)))
    assert await answer_to(gate.connect(), request()) == 404
    assert await answer_to(gate.connect(), request(headers={"Sec-WebSocket-Key": None})) == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(headers={"Sec-WebSocket-Version": "8"}), 426),
        (request(headers={"Sec-WebSocket-Key": "short"}), 400),
        (request(headers={"Connection": "keep-alive"}), 400),
        (request(method="POST"), 405),
        (request(version="HTTP/1.0"), 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /#top HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 33000, 431),
    ],
)
async def test_what_is_wrong_with_a_request(start_gate: StartGate, log: Log, data: bytes, status: int) -> None:
    gate = start_gate(route(NOWHERE))
    assert await answer_to(gate.connect(), data) == status
    assert log.one("refused")["status"] == status


async def test_nothing_behind_a_refusal_is_read_as_a_request(
    start_gate: StartGate, backend: Backend, log: Log, tmp_path: Path
) -> None:
    """RFC 9112 §11.2: neither the gateway nor the backend reads the bytes behind a refused upgrade as a request."""
    gate = start_gate(
        route(files_at(tmp_path), "files", match=below("/files/")),
        route(relay_to(backend.port), "relay", match=at("/relay")),
    )
    for data in (request("/files/"), request("/relay", {"Sec-WebSocket-Version": "8"}), b"nonsense\r\n\r\n"):
        assert await answer_to(gate.connect(), data + request("/relay") + plain_request("/files/")) in (400, 404, 426)
    assert len(log.all("refused")) == 3
    with trio.move_on_after(0) as scope:
        await backend.accept()
    assert scope.cancelled_caught


async def test_a_client_that_does_not_go_after_a_refusal(
    start_gate: StartGate, autojump_clock: trio.testing.MockClock
) -> None:
    """It has read its answer, and the close timeout bounds how long its end is waited for."""
    gate = start_gate(route(NOWHERE))
    peer = gate.connect()
    began = trio.current_time()
    await peer.write(plain_request())
    await peer.read_head()
    await peer.read_body()
    await peer.read_end()  # our FIN
    while gate.connections.child_tasks:  # noqa: ASYNC110 - a nursery has no event for its last child
        await trio.sleep(0.5)
    assert trio.current_time() - began == pytest.approx(TIMEOUTS.close, abs=0.5)


@pytest.mark.parametrize("asked", [plain_request(), b"nonsense\r\n\r\n", request()])
async def test_a_client_that_does_not_wait_for_its_refusal(start_gate: StartGate, log: Log, asked: bytes) -> None:
    """The log has its line, and nothing waits for it."""
    gate = start_gate(route(NOWHERE))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.send(asked)
    ours.close()
    await connection.serve(gate.gateway, gate.listener, take_over(theirs), address_of(CLIENT))
    assert log.one("refused")["status"] in (400, 426, 502)


# -- time --------------------------------------------------------------------------------------------------------------


async def test_a_client_that_says_nothing(
    start_gate: StartGate, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    peer = start_gate(route(NOWHERE)).connect()
    began = trio.current_time()
    await peer.read_end()
    assert trio.current_time() - began == TIMEOUTS.handshake
    assert log.records == []


async def test_a_client_that_does_not_finish(
    start_gate: StartGate, log: Log, autojump_clock: trio.testing.MockClock
) -> None:
    """Time is counted from the connection's beginning, however the bytes trickle in."""
    peer = start_gate(route(NOWHERE), defaults=Defaults(timeouts=Timeouts(handshake=3.0))).connect()
    began = trio.current_time()
    for byte in b"GET /":
        await peer.write(bytes([byte]))
        await trio.sleep(0.5)
    assert (await peer.read_head()).status == 408
    assert trio.current_time() - began == 3.0
    await peer.read_body()
    await peer.read_end()
    assert log.one("refused")["reason"] == "the request took too long"


async def test_a_second_request_that_does_not_finish(
    start_gate: StartGate, tmp_path: Path, autojump_clock: trio.testing.MockClock, no_threads: None
) -> None:
    """Behind HEAD, whose answers have no body; a refusal has one."""
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(b"HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await peer.read_head()).status == 404
    began = trio.current_time()
    assert await answer_to(peer, b"GET /") == 408
    assert trio.current_time() - began == TIMEOUTS.handshake


async def test_a_client_that_goes_without_a_word(start_gate: StartGate, log: Log) -> None:
    gate = start_gate(route(NOWHERE))
    await gate.connect().vanish()
    await trio.testing.wait_all_tasks_blocked()
    assert not gate.connections.child_tasks
    assert log.records == []


# -- files -------------------------------------------------------------------------------------------------------------


async def test_files_one_after_the_other(start_gate: StartGate, tmp_path: Path, log: Log) -> None:
    (tmp_path / "a.txt").write_bytes(b"first")
    (tmp_path / "b.txt").write_bytes(b"second")
    peer = start_gate(route(files_at(tmp_path))).connect()
    for path, method, status, body in [
        ("/a.txt", "GET", 200, b"first"),
        ("/missing", "GET", 404, b"404 no such file\n"),
        ("/b.txt", "HEAD", 200, b""),
        ("/missing", "HEAD", 404, b""),
        ("/a.txt", "POST", 405, b"405 files are read with GET or HEAD\n"),
        ("/b.txt", "GET", 200, b"second"),
    ]:
        await peer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head = await peer.read_head()
        assert (head.status, head.one("Connection")) == (status, None)
        assert await peer.read(len(body)) == body
        assert int(head.one("Content-Length") or 0) >= len(body)
    assert [(fields["status"], fields["path"]) for fields in log.all("refused")] == [
        (404, "/missing"),
        (404, "/missing"),
        (405, "/a.txt"),
    ]


async def test_requests_that_do_not_wait_for_answers(start_gate: StartGate, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first")
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(plain_request("/a.txt") * 3 + b"nonsense\r\n\r\n" + plain_request("/a.txt"))
    for _ in range(3):
        assert (await peer.read_head()).status == 200
        assert await peer.read_body() == b"first"
    assert (await peer.read_head()).status == 400
    await peer.read_body()
    await peer.read_end()


async def test_a_client_of_http_1_0(start_gate: StartGate, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"first")
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(b"GET /a.txt HTTP/1.0\r\n\r\n")
    head = await peer.read_head()
    assert (head.status, head.one("Connection")) == (200, "close")
    assert await peer.read_body() == b"first"
    await peer.read_end()


async def test_an_offer_of_http_2_is_not_taken(start_gate: StartGate, tmp_path: Path) -> None:
    """What curl sends with --http2; the connection goes on as it was."""
    (tmp_path / "a.txt").write_bytes(b"first")
    peer = start_gate(route(files_at(tmp_path))).connect()
    for _ in range(2):
        await peer.write(b"GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert (await peer.read_head()).status == 200
        assert await peer.read_body() == b"first"


LARGE = (8 << 20) + 5  # more than sockets hold, and no whole number of chunks


def large_file(directory: Path) -> Path:
    file = directory / "large.bin"
    file.write_bytes(os.urandom(LARGE))
    return file


async def test_a_large_file(start_gate: StartGate, tmp_path: Path) -> None:
    content = large_file(tmp_path).read_bytes()
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(plain_request("/large.bin") * 2)
    for _ in range(2):
        await peer.read_head()
        assert zlib.crc32(await peer.read_body()) == zlib.crc32(content)


async def test_a_file_that_shrinks(start_gate: StartGate, tmp_path: Path) -> None:
    """The client learns it from the missing bytes: nothing else stands in their place."""
    file = large_file(tmp_path)
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(plain_request("/large.bin"))
    await peer.read_head()
    os.truncate(file, 1 << 20)
    with pytest.raises(EOFError):
        await peer.read_body()


async def test_a_file_that_grows(start_gate: StartGate, tmp_path: Path) -> None:
    """Only the announced size is sent, and the next answer begins in the right place."""
    file = large_file(tmp_path)
    peer = start_gate(route(files_at(tmp_path))).connect()
    await peer.write(plain_request("/large.bin"))
    await peer.read_head()
    with file.open("ab") as more:
        more.write(b"x" * LARGE)
    assert len(await peer.read_body()) == LARGE
    await peer.write(plain_request("/missing"))
    assert (await peer.read_head()).status == 404


async def settled(root: Path) -> None:
    """Waits until every task waits, and none for a thread."""
    threads = limiter(files_at(root))
    while True:
        await trio.testing.wait_all_tasks_blocked(0.01)
        if not threads.borrowed_tokens:
            return


async def test_a_client_that_does_not_read_its_file(
    start_gate: StartGate, tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    large_file(tmp_path)
    gate = start_gate(route(files_at(tmp_path)))
    await gate.connect().write(plain_request("/large.bin"))
    await settled(tmp_path)
    assert gate.connections.child_tasks
    mock_clock.jump(30)  # its write timeout
    await settled(tmp_path)
    assert not gate.connections.child_tasks


async def test_a_client_that_goes_while_its_file_is_sent(start_gate: StartGate, tmp_path: Path, log: Log) -> None:
    large_file(tmp_path)
    gate = start_gate(route(files_at(tmp_path)))
    peer = gate.connect()
    await peer.write(plain_request("/large.bin"))
    await peer.read_head()
    await peer.vanish()
    while gate.connections.child_tasks:
        await trio.lowlevel.checkpoint()
    line = log.one("answered")
    assert (line["status"], line["detail"]) == (200, "the client went away, or did not read its answer")
    assert line["bytes_down"] < LARGE
