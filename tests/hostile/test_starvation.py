"""One peer that never stops: the others, and the process itself, still get their turn.

The bounds are wide, because machines are slow and shared; without its defences the gateway misses them by far.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from contextlib import closing
from pathlib import Path

import pytest

from ..e2e.gateway import relay, tunnel
from ..e2e.peers import BINARY, PING, PONG, Frame, request
from .ends import MASK, Peer, beside, echo, read_on, round_trip, send_on, upgraded
from .process import running
from .recorder import Client


def assert_served(trips: list[float]) -> None:
    assert statistics.median(trips) < 0.5
    assert max(trips) < 4


def endless_hints(sock: socket.socket) -> None:
    """Informational responses without an end, as fast as they are taken (RFC 9110 §15.2 sets no number)."""
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    while True:
        sock.sendall(hints)


def test_a_backend_whose_hints_never_end(tmp_path: Path) -> None:
    """Data that is always there already must not keep the deadline, or the other sessions, from their turn."""
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(closing(Peer(echo)))
        hinting = stack.enter_context(closing(Peer(endless_hints, accept=False)))
        routes = [
            relay(hinting.port, match={"path": "/hints"}, timeouts={"handshake": "500ms"}),
            relay(other.port) | {"name": "echo"},
        ]
        gateway = stack.enter_context(running(tmp_path, *routes, defaults={"timeouts": {"close": "300ms"}}))
        bystander = upgraded(gateway.port, "/echo")
        client = Client(gateway.port)
        client.send(request("/hints"))
        trips = [round_trip(bystander) for _ in range(20)]
        assert client.read_all().startswith(b"HTTP/1.1 504 ")
        assert_served(trips)
        client.close()
        bystander.close()


def test_a_client_whose_requests_never_end(tmp_path: Path) -> None:
    """The same from the other side: requests without an upgrade, each answered and the connection kept."""
    (tmp_path / "site").mkdir()
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(closing(Peer(echo)))
        routes = [
            {"name": "files", "match": {"path": "/site/*"}, "files": {"root": str(tmp_path / "site")}},
            relay(other.port),
        ]
        gateway = stack.enter_context(running(tmp_path, *routes, defaults={"timeouts": {"close": "300ms"}}))
        bystander = upgraded(gateway.port, "/echo")
        client = Client(gateway.port)
        requests = b"DELETE /site/x HTTP/1.1\r\nHost: x\r\n\r\n" * 100
        with beside(send_on(requests), client), beside(read_on, client):
            trips = [round_trip(bystander) for _ in range(20)]
            client.sock.shutdown(socket.SHUT_RDWR)
        assert_served(trips)
        client.close()
        bystander.close()


TINY = {
    "pings": Frame(PING),
    "pongs": Frame(PONG),
    "empty messages": Frame(BINARY),
    "one-byte messages": Frame(BINARY, b"x"),
}


@pytest.mark.parametrize("kind", ["relay", "tunnel"])
@pytest.mark.parametrize("name", TINY)
def test_a_flood_of_tiny_frames(tmp_path: Path, name: str, kind: str) -> None:
    """Thousands of frames fit into a read. The other sessions go on, new ones come about, and a signal is heard."""
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(closing(Peer(echo)))
        sink = stack.enter_context(closing(Peer(read_on, handshake=kind == "relay")))
        action = relay(sink.port) if kind == "relay" else tunnel(sink.port)
        routes = [action | {"match": {"path": "/flood"}}, relay(other.port) | {"name": "echo"}]
        gateway = stack.enter_context(running(tmp_path, *routes, defaults={"timeouts": {"close": "300ms"}}))
        bystander = upgraded(gateway.port, "/echo")
        client = upgraded(gateway.port, "/flood")
        with beside(send_on(TINY[name].encode(MASK) * 10_000), client), beside(read_on, client):
            trips = [round_trip(bystander) for _ in range(20)]
            began = time.monotonic()
            upgraded(gateway.port, "/echo").close()
            upgrade = time.monotonic() - began
            client.sock.shutdown(socket.SHUT_RDWR)
        assert_served(trips)
        assert upgrade < 2
        client.close()
        bystander.close()
