"""The admin listener: real connections, also of clients that are slow, many, or not allowed."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.log import Log
from tests.peers.frames import MASK
from tests.peers.heads import Head, request
from tests.peers.stream import Peer
from wsgate import __version__
from wsgate.events.metric_rows import MetricRows
from wsgate.events.metrics import BACKEND_HEALTHY, OPENED, SERVING
from wsgate.net.plain import take_over
from wsgate.ops.admin import server as admin
from wsgate.ops.admin.asking import Answers
from wsgate.ops.admin.live import INTERVAL, SEND_TIME
from wsgate.ops.admin.process import open_admin_listener
from wsgate.ops.admin.schemas import NAMED
from wsgate.ops.admin.server import ANSWER_TIME, MOST, MOST_WRONG, REQUEST_TIME, AdminServer
from wsgate.ops.admin.tapping import NotTapped, Send, no_session
from wsgate.settings.model import Admin, AdminMetrics, AdminToken, TcpAddress, UnixAddress

BIND = TcpAddress("127.0.0.1", 0)


async def no_tap(id: str, payload: bool, send: Send) -> NotTapped | None:
    return no_session(id)


class Running:
    def __init__(self, nursery: trio.Nursery, settings: Admin, **options: Any) -> None:
        self.rows = MetricRows()
        self.row = self.rows.row()
        self.asked: list[dict[str, Any]] = []
        self.server = AdminServer(
            settings, self.rows, self.row, **{"ask": self._ask, "tap": no_tap, "main": 0, **options}
        )
        self.connections = nursery

    async def _ask(self, question: dict[str, Any]) -> Answers:
        self.asked.append(question)
        return Answers([{"session": None, "closed": ["1"], "total": 0, "order": [], "sessions": []}])

    def connect(self) -> Peer:
        ours, theirs = socket.socketpair()
        self.connections.start_soon(self.server.serve, take_over(theirs), TcpAddress("192.0.2.7", 50000))
        return Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), mask=None)

    async def ask(self, target: str = "/metrics", method: str = "GET", *fields: str, host: str = "localhost") -> Answer:
        peer = self.connect()
        await peer.write(asking(target, method, *fields, host=host))
        answer = await read(peer, head_only=method == "HEAD")
        await peer.vanish()
        return answer

    def refused(self) -> dict[str, int]:
        return {labels[0]: value for metric, labels, (value, *_) in self.row.read() if "admin" in metric.name}


class Answer:
    def __init__(self, head: Head, body: bytes) -> None:
        self.head = head
        self.status = head.status
        self.body = body.decode()


def asking(target: str = "/metrics", method: str = "GET", *fields: str, host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


async def read(peer: Peer, *, head_only: bool = False) -> Answer:
    head = await peer.read_head()
    return Answer(head, b"" if head_only else await peer.read(int(head.one("Content-Length") or 0)))


Start = Callable[..., Running]


@pytest.fixture
async def start(nursery: trio.Nursery) -> AsyncIterator[Start]:
    """``start(options, **settings)``"""

    def start(options: Mapping[str, Any] = {}, **settings: Any) -> Running:
        return Running(nursery, Admin(**{"bind": BIND, **settings}), **options)

    yield start
    nursery.cancel_scope.cancel()


async def test_metrics(start: Start) -> None:
    running = start()
    running.row.cell(OPENED, "chat\udcff").add(3)
    answer = await running.ask()
    assert answer.status == 200
    assert answer.head.one("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.head.one("Cache-Control") == "no-store"
    assert 'wsgate_sessions_opened_total{route="chat\\udcff"} 3\n' in answer.body
    answer = await running.ask("/metrics", "GET", "Accept: application/openmetrics-text")
    assert answer.head.one("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.body.endswith("# EOF\n")
    assert (await running.ask("/metrics", "HEAD")).status == 200


async def test_a_process_without_workers_is_brought_up_to_date(start: Start) -> None:
    async def refresh() -> None:
        running.row.cell(OPENED, "chat").add()

    running = start({"refresh": refresh})
    for count in (1, 2):
        assert f'wsgate_sessions_opened_total{{route="chat"}} {count}\n' in (await running.ask()).body


async def test_health(start: Start) -> None:
    running = start(backends=("chat",))
    assert [(await running.ask(path)).status for path in ("/healthz", "/readyz")] == [200, 503]
    answer = await running.ask("/readyz")
    assert answer.body == "not ready\nnot listening yet\nno backend of the route chat is healthy\n"
    running.row.cell(SERVING).set(1)
    running.row.cell(BACKEND_HEALTHY, "chat", "a").set(1)
    assert (await running.ask("/readyz")).body == "ready\n"
    assert (await running.ask("/healthz")).body == "alive\n"


async def test_several_requests_on_one_connection(start: Start) -> None:
    peer = start().connect()
    for _ in range(3):
        await peer.write(asking("/healthz"))
        assert (await read(peer)).status == 200
    await peer.vanish()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking("/other"), 404),
        (asking("/metrics", "POST"), 405),
        (asking("/metrics", "POST", "Content-Length: 3") + b"abc", 405),
        (asking(host="evil.example"), 421),
        (asking("/metrics", "GET", "Origin: https://evil.example"), 403),
        (b"\x16\x03\x01", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
async def test_what_is_refused_is_counted(start: Start, request_: bytes, status: int) -> None:
    running = start()
    peer = running.connect()
    await peer.write(request_)
    assert (await read(peer)).status == status
    assert running.refused() == {str(status): 1}
    await peer.vanish()


async def test_names_of_its_own(start: Start) -> None:
    running = start(hosts=("gw.example",))
    assert (await running.ask(host="gw.example:9600")).status == 200


# -- the token ---------------------------------------------------------------------------------------------------------


async def test_a_token(start: Start, tmp_path: Path, autojump_clock: MockClock, no_threads: None, log: Log) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    running = start(token=AdminToken(file=str(file)), metrics=AdminMetrics.TOKEN)
    assert (await running.ask("/healthz")).status == 200
    answer = await running.ask()
    assert (answer.status, answer.head.one("WWW-Authenticate")) == (401, "Bearer")
    began = trio.current_time()
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer wrong")).status == 401
    assert trio.current_time() >= began + admin.WRONG_PAUSE
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer wrong")).status == 401
    assert log.one("admin token wrong") == {"client": "192.0.2.7:50000", "times": 1}
    for _ in range(2):
        assert (await running.ask("/metrics", "GET", "Authorization: Bearer first")).status == 200
    file.write_text("second\n")  # it changes
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer second")).status == 200
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer first")).status == 401
    file.unlink()
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer second")).status == 200
    assert (await running.ask("/metrics", "GET", "Authorization: Bearer wrong")).status == 401
    assert "does not exist" in log.one("admin token not read")["error"]
    assert running.refused()["401"] == 5


async def test_a_token_guards_what_is_not_there(start: Start, tmp_path: Path, no_threads: None) -> None:
    file = tmp_path / "token"
    file.write_text("it\n")
    running = start(token=AdminToken(file=str(file)))
    assert (await running.ask()).status == 200
    assert (await running.ask("/other")).status == 401
    assert (await running.ask("/other", "GET", "Authorization: Bearer it")).status == 404


async def test_a_disk_that_hangs(
    start: Start, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    async def hang(*arguments: object) -> bytes:
        raise trio.TooSlowError

    monkeypatch.setattr(admin, "in_thread", hang)
    running = start(token=AdminToken(file="/hung/token"))
    assert (await running.ask("/other", "GET", "Authorization: Bearer it")).status == 401
    assert log.one("admin token not read")["error"] == "the disk of /hung did not answer within 2 s"


async def test_many_wrong_tokens(start: Start, tmp_path: Path, autojump_clock: MockClock, no_threads: None) -> None:
    file = tmp_path / "token"
    file.write_text("it\n")
    running = start(token=AdminToken(file=str(file)))
    statuses: list[int] = []

    async def guess() -> None:
        statuses.append((await running.ask("/other", "GET", "Authorization: Bearer wrong")).status)

    async with trio.open_nursery() as nursery:
        for _ in range(MOST_WRONG + 2):
            nursery.start_soon(guess)
    assert statuses == [503] * 2 + [401] * MOST_WRONG


# -- clients that are slow, or many ------------------------------------------------------------------------------------


async def test_a_request_that_does_not_end(start: Start, autojump_clock: MockClock) -> None:
    peer = start().connect()
    began = trio.current_time()
    await peer.write(b"GET /metr")
    assert (await read(peer)).status == 408
    assert trio.current_time() - began == pytest.approx(REQUEST_TIME)
    await peer.vanish()


async def test_a_silent_connection_is_ended_without_an_answer(start: Start, autojump_clock: MockClock) -> None:
    peer = start().connect()
    assert await peer.read_all() == b""
    await peer.vanish()


async def test_a_scrape_that_is_not_read(start: Start, autojump_clock: MockClock) -> None:
    running = start()
    for number in range(20_000):
        running.row.cell(OPENED, f"route {number}").add()
    whole = len((await running.ask()).body)
    peer = running.connect()
    await peer.write(asking())
    await trio.sleep(ANSWER_TIME + 1)
    assert 0 < len(await peer.read_all()) < whole
    await peer.vanish()


async def test_the_oldest_of_too_many_connections_gives_way(start: Start) -> None:
    running = start()
    peers = []
    for _ in range(MOST + 1):
        peers.append(running.connect())
        await trio.testing.wait_all_tasks_blocked()
    assert await peers[0].read_all() == b""
    for peer in (peers[1], peers[-1]):
        await peer.write(asking("/healthz"))
        assert (await read(peer)).status == 200
    for peer in peers:
        await peer.vanish()


async def test_a_hundred_viewers_that_never_read(
    start: Start, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes is answered meanwhile, and they are all cut."""
    monkeypatch.setattr(admin, "state_of", lambda gathered: {"backends": "x" * (2 << 20)})
    running = start(bind=UnixAddress("/a"))
    viewers = []
    for _ in range(MOST):
        viewers.append((await watch(running))[0])
    assert (await running.ask("/healthz")).status == 200
    await trio.sleep(SEND_TIME + INTERVAL)
    assert (await running.ask("/healthz")).status == 200
    for viewer in viewers:
        assert 0 < len(await viewer.read_all()) < 2 << 20  # it had an end
        await viewer.vanish()


CROSS_SITE = [
    ("POST", "Origin: https://evil.example"),
    ("POST", "Origin: null"),  # of a form in a sandboxed frame, or behind a redirect
    ("POST", "Origin: http://127.0.0.1:80"),  # another port is another origin
    ("POST", "Origin: http://localhost.evil.example"),
    ("GET", "Origin: https://evil.example"),
    ("OPTIONS", "Origin: https://evil.example"),
]


@pytest.mark.parametrize(("method", "origin"), CROSS_SITE)
@pytest.mark.parametrize("target", ["/api/v1/sessions/close", "/api/v1/drain", "/api/v1/sessions", "/metrics", "/"])
async def test_a_page_of_another_site_may_do_nothing(start: Start, target: str, method: str, origin: str) -> None:
    running = start(bind=TcpAddress("127.0.0.1", 9600), token=AdminToken(file="/none"))
    fields = [origin, "Authorization: Bearer secret", "Content-Type: text/plain"]
    answer = await running.ask(target, method, *fields, host="127.0.0.1:9600")
    assert answer.status == 403
    assert not any(name.lower().startswith("access-control-") for name, _ in answer.head.headers)
    assert running.asked == []


async def test_a_bug_ends_one_connection(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError

    running = start({"refresh": fail})
    peer = running.connect()
    await peer.write(asking())
    assert await peer.read_all() == b""
    assert [record.message for record in caplog.records] == ["internal error: please report it"]
    caplog.clear()
    await peer.vanish()
    assert (await running.ask("/other")).status == 404


@pytest.mark.parametrize("unix", [False, True])
async def test_its_listener(start: Start, tmp_path: Path, unix: bool, log: Log, nursery: trio.Nursery) -> None:
    bind = UnixAddress(str(tmp_path / "a.sock")) if unix else BIND
    running = start(bind=bind, mode=0o600 if unix else None)
    sock = open_admin_listener(running.server._settings)
    told = log.one("admin listening")["address"]
    task: Callable[[], Awaitable[None]] = lambda: running.server.run(sock)  # noqa: E731
    async with trio.open_nursery() as serving:
        serving.start_soon(task)
        stream: Any
        if unix:
            assert (tmp_path / "a.sock").stat().st_mode & 0o777 == 0o600
            stream = await trio.open_unix_socket(str(tmp_path / "a.sock"))
        else:
            stream = await trio.open_tcp_stream("127.0.0.1", int(told.rpartition(":")[2]))
        peer = Peer(stream, mask=None)
        await peer.write(asking("/healthz", host="anything" if unix else "127.0.0.1"))
        assert (await read(peer)).status == 200
        await peer.vanish()
        serving.cancel_scope.cancel()
    assert sock.fileno() == -1
    assert not (tmp_path / "a.sock").exists()


# -- the API -----------------------------------------------------------------------------------------------------------


async def test_the_api_answers_json(start: Start) -> None:
    running = start()
    running.row.cell(SERVING).set(1)
    answer = await running.ask("/api/v1/status")
    assert (answer.status, answer.head.one("Content-Type")) == (200, "application/json")
    assert json.loads(answer.body) == {
        **{"version": __version__, "ready": True, "reasons": [], "warnings": [], "sessions": 0, "most_sessions": None},
        "draining_routes": [],
    }
    assert json.loads(answer.body).keys() == NAMED["Status"]["properties"].keys()
    history = json.loads((await running.ask("/api/v1/history")).body)
    assert history.keys() == NAMED["History"]["properties"].keys()
    assert (await running.ask("/api/v1/none")).status == 404


async def test_changes_need_a_token_or_the_socket(start: Start, tmp_path: Path) -> None:
    """Every program of this machine reaches a port of loopback, those of other users, too."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    close = ("/api/v1/sessions/1", "DELETE")
    running = start()
    answer = await running.ask(*close)
    assert (answer.status, answer.head.one("Content-Type")) == (403, "application/json")
    assert json.loads(answer.body) == {"error": "changes need admin.token, or a Unix socket in admin.bind"}
    assert (await running.ask("/api/v1/sessions")).status == 200
    running = start(token=AdminToken(file=str(token)))
    assert (await running.ask("/api/v1/sessions")).status == 401
    assert (await running.ask(*close, "Authorization: Bearer secret")).status == 200
    running = start(bind=UnixAddress("/a"))
    assert (await running.ask(*close)).status == 200
    assert [question["ask"] for question in running.asked] == ["close"]


async def test_a_page_of_another_site_changes_nothing(start: Start) -> None:
    running = start(token=AdminToken(file="/none"))
    answer = await running.ask("/api/v1/sessions/1", "DELETE", "Origin: https://evil.example")
    assert answer.status == 403
    assert running.asked == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body(start: Start, chunked: bool) -> None:
    running = start(bind=UnixAddress("/a"))
    peer = running.connect()
    body = b'{"ids": ["1"], "code": 4000}'
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    await peer.write(b"POST /api/v1/sessions/close HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n")
    await peer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
    assert (await read(peer)).status == 200
    assert (running.asked[0]["ids"], running.asked[0]["code"]) == (["1"], 4000)
    await peer.write(asking("/api/v1/sessions"))  # on the same connection
    assert (await read(peer)).status == 200
    await peer.vanish()


async def test_a_large_body_and_one_that_does_not_come(start: Start, autojump_clock: MockClock) -> None:
    running = start(bind=UnixAddress("/a"))
    for length, status in ((1 << 20, 413), (10, 408)):
        peer = running.connect()
        head = f"POST /api/v1/sessions/close HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        await peer.write(head.encode() + b"x" * min(length - 1, 100_000))
        assert (await read(peer)).status == status
        await peer.vanish()


# -- the page ----------------------------------------------------------------------------------------------------------


async def test_the_page_needs_no_token_and_what_it_shows_does(start: Start, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    running = start(token=AdminToken(file=str(token)))
    answer = await running.ask("/")
    assert (answer.status, answer.head.one("Content-Type")) == (200, "text/html; charset=utf-8")
    assert answer.head.one("Content-Security-Policy") == "frame-ancestors 'none'"
    assert (await running.ask("/page/app.js", "HEAD")).status == 200
    assert (await running.ask("/page/none.js")).status == 401
    assert (await running.ask("/api/v1/history")).status == 401
    assert (await running.ask("/", host="evil.example")).status == 421


async def watch(running: Running, **headers: str) -> tuple[Peer, Head]:
    peer = running.connect()
    peer.mask = MASK  # a client of WebSocket
    await peer.write(request("/api/v1/live", {"Host": "localhost", **headers}))
    return peer, await peer.read_head()


async def test_the_live_state(start: Start, tmp_path: Path, autojump_clock: MockClock) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    running = start(token=AdminToken(file=str(token)))
    peer, head = await watch(running, **{"Sec-WebSocket-Protocol": "wsgate.live, bearer.secret"})
    assert (head.status, head.one("Sec-WebSocket-Protocol")) == (101, "wsgate.live")
    told = json.loads((await peer.receive()).payload)
    assert (told["version"], told["sessions"], told["backends"]) == (__version__, 0, [])
    assert told["may_change"] is True
    await peer.vanish()
    peer, head = await watch(running, Authorization="Bearer secret")
    assert head.status == 101
    await peer.vanish()


async def test_who_may_not_watch(start: Start, tmp_path: Path, autojump_clock: MockClock) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    running = start(token=AdminToken(file=str(token)))
    for headers, status in (
        ({}, 401),
        ({"Sec-WebSocket-Protocol": "wsgate.live, bearer.wrong"}, 401),
        ({"Origin": "https://evil.example", "Authorization": "Bearer secret"}, 403),
        ({"Host": "evil.example", "Authorization": "Bearer secret"}, 421),
        ({"Sec-WebSocket-Version": "8", "Authorization": "Bearer secret"}, 426),
    ):
        peer, head = await watch(running, **headers)
        assert head.status == status
        await peer.vanish()
    assert (await running.ask("/api/v1/live")).status == 426
