"""The service of ``auth.forward``: what it is asked with, how long, and what is no answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.log import Log
from tests.peers.sockets import serve_tcp
from wsgate.settings.model import BackendTls, ForwardAuth, HttpUrl, TcpAddress
from wsgate.site.forward_service import MAX_QUESTIONS, ForwardService
from wsgate.site.tokens.source import SourceError


class Peer:
    """A service. ``status``: of its answers; ``None``: it never answers"""

    def __init__(self) -> None:
        self.status: str | None = "200 OK"
        self.open = self.most = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        assert (await stream.receive_some()).startswith(b"GET /check?a=b HTTP/1.1\r\n")
        self.open += 1
        self.most = max(self.most, self.open)
        await trio.sleep(0.5)
        if self.status is not None:
            await stream.send_all(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\nX-A: 1\r\n\r\n".encode())
        else:
            await stream.receive_some()
        self.open -= 1


async def service(nursery: trio.Nursery, peer: Peer) -> ForwardService:
    url = HttpUrl(False, TcpAddress("127.0.0.1", await serve_tcp(nursery, peer.serve)), "/check?a=b")
    return ForwardService(ForwardAuth(url=url, timeout=2.0))


@pytest.mark.parametrize("status", ["200 OK", "204 None", "302 Found", "303 Other", "401 Who", "403 No"])
async def test_an_answer(autojump_clock: MockClock, status: str) -> None:
    peer = Peer()
    peer.status = status
    async with trio.open_nursery() as nursery:
        answer = await (await service(nursery, peer)).ask([(b"X-Asked", b"yes")])
        assert (answer.status, (b"X-A", b"1") in list(answer.headers)) == (int(status[:3]), True)
        nursery.cancel_scope.cancel()


async def test_a_service_that_is_broken(autojump_clock: MockClock, log: Log) -> None:
    peer = Peer()
    async with trio.open_nursery() as nursery:
        it = await service(nursery, peer)
        for status, problem in (("500 Oops", "answered with status 500"), (None, "did not answer within 2 s")):
            peer.status = status
            with pytest.raises(SourceError, match=problem):
                await it.ask([])
        assert log.one("auth service broken")["consequence"] == "clients get 503"
        peer.status = "200 OK"
        await it.ask([])
        assert log.events().count("auth service well again") == 1
        nursery.cancel_scope.cancel()


async def test_not_too_many_questions_at_once(autojump_clock: MockClock) -> None:
    """All wait at most their timeout: the last ones of these get no answer."""
    peer = Peer()
    answered: list[bool] = []
    async with trio.open_nursery() as nursery:
        it = await service(nursery, peer)

        async def ask() -> None:
            try:
                await it.ask([])
                answered.append(True)
            except SourceError:
                answered.append(False)

        async with trio.open_nursery() as asking:
            for _ in range(MAX_QUESTIONS * 5):
                asking.start_soon(ask)
        nursery.cancel_scope.cancel()
    assert peer.most == MAX_QUESTIONS
    assert MAX_QUESTIONS * 2 <= answered.count(True) <= MAX_QUESTIONS * 4


def test_tls(tmp_path: Path) -> None:
    url = HttpUrl(True, TcpAddress("auth.example.com", 443), "/check")
    assert list(ForwardService(ForwardAuth(url=url)).load()) == []
    missing = BackendTls(ca=str(tmp_path / "none"))
    assert [path for path, _ in ForwardService(ForwardAuth(url=url, url_tls=missing)).load()] == ["url_tls.ca"]
