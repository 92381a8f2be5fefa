"""A gateway, a flood, and other clients: one with a session that goes on, new ones, and one with the right password."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from tests.peers.frames import BINARY, PING, Frame
from tests.peers.heads import request
from tests.peers.threads import PATIENCE, Backend, Client, echo, read_on, upgraded

from ..e2e.gateway import relay, tunnel
from ..e2e.gateway_process import GatewayProcess, running
from ..pki import Authority
from .floods import FLOODS, Target

DESCRIPTORS = 200  # that the gateway may have
MOST = 64 << 20  # bytes of memory that a flood may cost while it lasts

_PASSWORD = "open sesame"
_KNOWS = {"Authorization": "Basic " + base64.b64encode(f"alice:{_PASSWORD}".encode()).decode()}
_FEW = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" "$@"')


@dataclass
class Outcome:
    """What one flood did to the others. Times are seconds, the longest of each; memory is in bytes."""

    served: int = 0  # rounds: a message and its echo, a new client, one with the password
    message: float = 0.0
    newcomer: float = 0.0
    password: float = 0.0
    memory: int = 0


class FloodedGateway:
    """A gateway and the far ends of its routes."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        addresses = [line["address"] for line in gateway.lines("listening")]
        self.target = Target(*(int(address.rpartition(":")[2]) for address in addresses))
        self._come_in()
        self.bystander = upgraded(self.target.port, "/echo")
        self.bystander.round_trip()
        self.descriptors = gateway.descriptors()
        self.memory = gateway.memory()

    def close(self) -> None:
        self.bystander.close()

    def flood(self, name: str, go_on: Callable[[Outcome], bool]) -> Outcome:
        """Have one flood while the others are served again and again. Raises ``OSError`` where one of them is not, and
        ``AssertionError`` where the flood costs too much, or something of it stays."""
        outcome = Outcome()
        flood, stop = FLOODS[name], threading.Event()
        threads = [
            threading.Thread(target=_run, args=(flood.run, self.target, stop), daemon=True)
            for _ in range(flood.threads)
        ]
        for thread in threads:
            thread.start()
        try:
            while go_on(outcome):
                outcome.message = max(outcome.message, _timed(self.bystander.round_trip))
                outcome.newcomer = max(outcome.newcomer, _timed(self._newcomer))
                outcome.password = max(outcome.password, _timed(self._come_in))
                outcome.memory = max(outcome.memory, self.gateway.memory() - self.memory)
                outcome.served += 1
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        assert outcome.memory < MOST, f"{name}: {outcome.memory >> 20} MiB"
        gateway = self.gateway
        gateway.wait_for(lambda: gateway.descriptors() <= self.descriptors or None, f"end of what {name} has opened")
        assert gateway.lines("bug") == []
        return outcome

    def _newcomer(self) -> None:
        with upgraded(self.target.port, "/echo") as client:
            client.round_trip()

    def _come_in(self) -> None:
        with Client(self.target.port) as client:
            client.send(request("/secret", _KNOWS))
            status = client.read_head().status
            assert status == 101, status


def _run(flood: Callable[[Target, threading.Event], None], target: Target, stop: threading.Event) -> None:
    """Clients of the flood may be disconnected, and connect again."""
    while not stop.is_set():
        with contextlib.suppress(OSError, EOFError, AssertionError):  # AssertionError: it was refused
            flood(target, stop)


def _timed(do: Callable[[], None]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _hints(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


def _frames(sock: socket.socket) -> None:
    data = Frame(BINARY, b"x").encode(None) * 5000 + Frame(PING).encode(None) * 5000
    while True:
        sock.sendall(data)


def _echo_all(sock: socket.socket) -> None:
    while data := sock.recv(1 << 18):
        # the client's own frames, as payload: it does not read them, so it needs no parser
        sock.sendall(Frame(BINARY, data).encode(None))


@contextmanager
def flooded_gateway(directory: Path) -> Iterator[FloodedGateway]:
    (directory / "site").mkdir()
    pair = Authority(directory).issue("127.0.0.1")
    hashed = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    with contextlib.ExitStack() as stack:
        ends = {
            "echo": Backend(echo),
            "sink": Backend(read_on),
            "echo-all": Backend(_echo_all),
            "pouring": Backend(_frames),
            "hints": Backend(_hints, accept=False),
        }
        service = stack.enter_context(Backend(read_on, handshake=False))
        routes = [{"name": "site", "match": {"path": "/site/*"}, "files": {"root": str(directory / "site")}}]
        for name, peer in ends.items():
            stack.enter_context(peer)
            routes.append(relay(peer.port, match={"path": f"/{name}"}) | {"name": name})
        users = {"basic": {"users": [f"alice:{hashed}"]}}
        # Passwords get what others leave of the processor, on a busy machine little: they have the client's patience
        secret = {"name": "secret", "auth": users, "timeouts": {"handshake": f"{PATIENCE - 1:g}s"}}
        routes.append(relay(ends["echo"].port, match={"path": "/secret"}) | secret)
        routes.append({**tunnel(service.port), "match": {"path": "/tunnel"}})
        listeners = [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": pair.settings()}]
        defaults = {"timeouts": {"close": "300ms", "handshake": "3s"}}
        gateway = stack.enter_context(running(directory, *routes, listeners=listeners, defaults=defaults, prefix=_FEW))
        yield stack.enter_context(closing(FloodedGateway(gateway)))
