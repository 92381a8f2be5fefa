"""Makes everything outside hang that can hang, alone and then all together: an open session, other requests and the end
of the process must not be delayed."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.heads import plain_request, request
from tests.pki import Authority

from .gateway import PROJECT, Gateway, OpenClient, StartGateway, relay, write_config
from .hung_disk import HungDisk
from .library import Serve, connect, echo
from .test_workers import until

CLIENTS = 80  # clients that wait for one thing: more than trio has threads, and than any limit of ours allows
PATIENT = {"timeouts": {"handshake": "60s", "connect": "60s", "close": "100ms"}}  # nothing ends before the test does
BASIC = "Z3Vlc3Q6d3Jvbmc="  # guest:wrong

PLUGIN = """
import threading

hung = threading.Lock()
hung.acquire()

def look_up(token):
    hung.acquire()

async def look_up_async(token):
    import trio
    await trio.sleep_forever()
"""
# Imported when a reload names it
HANGING = "import threading\nthreading.Event().wait()\n"


def token(name: str, **source: Any) -> dict[str, Any]:
    """Returns a route whose tokens come from ``source``."""
    return {
        "name": name,
        "match": {"path": f"/{name}"},
        "tunnel": {"token": {"from": "query:t", "timeout": "60s", **source}},
    }


@dataclass
class Place:
    """The configuration of a test's gateway.

    healthy: routes for clients that do not use what hangs
    """

    directory: Path
    service: int  # a port where the kernel accepts and no program answers
    routes: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    hung: list[HungDisk] = field(default_factory=list)

    def make(self, name: str) -> Path:
        made = self.directory / name
        made.mkdir()
        return made

    def hang_disk(self, name: str) -> None:
        self.hung.append(HungDisk(self.directory / name))


@dataclass(frozen=True)
class Thing:
    """Something that can hang.

    prepare: adds it to the gateway's settings
    hang: makes it hang, after the start
    ask: the bytes of clients that then wait for it
    """

    name: str
    prepare: Callable[[Place], None]
    hang: Callable[[Place, Gateway], None] = lambda place, gateway: None
    ask: bytes = b""


def of_disk(name: str, route: Callable[[Path], dict[str, Any]], ask: bytes) -> Thing:
    """A directory on a disk of its own, for one route."""

    def prepare(place: Place) -> None:
        place.routes.append(route(place.make(name)))

    return Thing(name, prepare, lambda place, gateway: place.hang_disk(name), ask)


def of_routes(name: str, route: Callable[[Place], dict[str, Any]], ask: bytes) -> Thing:
    """Something that hangs from the beginning."""
    return Thing(name, lambda place: place.routes.append(route(place)), ask=ask)


def _token_file(directory: Path) -> dict[str, Any]:
    (directory / "tokens").write_text("right: 127.0.0.1:1\n")
    return token("token-file", file=str(directory / "tokens"))


def _token_directory(directory: Path) -> dict[str, Any]:
    return token("token-directory", directory=str(directory))


def _jwt(directory: Path) -> dict[str, Any]:
    (directory / "key").write_text("a secret that is long enough for HS256, at least")
    return token("jwt", jwt={"key": str(directory / "key")})


def _htpasswd(directory: Path) -> dict[str, Any]:
    (directory / "users").write_text("guest:{PLAIN}right\n")
    return {
        "name": "htpasswd",
        "match": {"path": "/htpasswd"},
        "auth": {"basic": {"file": str(directory / "users")}},
        "relay": {"to": ["ws://127.0.0.1:1"]},
    }


def _api_keys(directory: Path) -> dict[str, Any]:
    (directory / "keys").write_text(f"guest:{hashlib.sha256(b'right').hexdigest()}\n")
    return {
        "name": "api-keys",
        "match": {"path": "/api-keys"},
        "auth": {"api_keys": {"file": str(directory / "keys")}},
        "relay": {"to": ["ws://127.0.0.1:1"]},
    }


def _files(directory: Path) -> dict[str, Any]:
    (directory / "index.html").write_text("here")
    return {"name": "files", "match": {"path": "/files/*"}, "files": {"root": str(directory)}}


def _backend_file(directory: Path) -> dict[str, Any]:
    (directory / "backends").write_text("ws://192.0.2.1:9\n")
    return {
        "name": "backend-file",
        "match": {"path": "/backend-file"},
        "relay": {"to_file": str(directory / "backends")},
    }


def _silent_backend(place: Place) -> dict[str, Any]:
    return {"name": "backend", "match": {"path": "/backend"}, "relay": {"to": [f"ws://127.0.0.1:{place.service}"]}}


def _silent_tls_backend(place: Place) -> dict[str, Any]:
    to = [f"wss://127.0.0.1:{place.service}"]
    return {"name": "tls-backend", "match": {"path": "/tls-backend"}, "relay": {"to": to, "tls": {"verify": False}}}


def _dear_hash(place: Place) -> dict[str, Any]:
    import bcrypt

    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(13)).decode()
    return {
        "name": "bcrypt",
        "match": {"path": "/bcrypt"},
        "auth": {"basic": {"users": [f"guest:{hashed}"]}},
        "relay": {"to": ["ws://127.0.0.1:1"]},
    }


def _prepare_recordings(place: Place) -> None:
    record = {"directory": str(place.make("recordings"))}
    tunnel = {"to": [f"tcp://127.0.0.1:{place.service}"], "record": record}
    place.routes.append({"name": "recorded", "match": {"path": "/recorded"}, "tunnel": tunnel})


def _prepare_certificate(place: Place) -> None:
    tls = Authority(place.make("tls")).issue("gateway.test").settings()
    place.settings["listeners"] = [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": tls}]


def _reload_from_hung_disk(place: Place, gateway: Gateway) -> None:
    place.hung.append(HungDisk(gateway.file.parent))
    gateway.process.send_signal(signal.SIGHUP)


def _reload_with_hanging_plugin(place: Place, gateway: Gateway) -> None:
    # the file is on a hung disk now: that one comes back
    place.hung.pop().release()
    other = token("plugin-at-reload", python={"call": "hanging_at_import:look_up"})
    write_config(gateway.file.parent, [other, *place.routes], **place.settings)
    gateway.process.send_signal(signal.SIGHUP)


THINGS = (
    of_disk("token-file", _token_file, request("/token-file?t=right")),
    of_disk(
        "token-directory", lambda made: token("token-directory", directory=str(made)), request("/token-directory?t=a")
    ),
    of_disk("jwt", _jwt, request("/jwt?t=a.b.c")),
    of_disk("htpasswd", _htpasswd, request("/htpasswd", {"Authorization": f"Basic {BASIC}"})),
    of_disk("api-keys", _api_keys, request("/api-keys", {"X-Api-Key": "right"})),
    of_disk("files", _files, plain_request("/files/")),
    of_disk("backend-file", _backend_file, request("/backend-file")),
    of_routes(
        "python", lambda place: token("python", python={"call": "hanging_plugin:look_up"}), request("/python?t=a")
    ),
    of_routes(
        "async", lambda place: token("async", python={"call": "hanging_plugin:look_up_async"}), request("/async?t=a")
    ),
    of_routes(
        "redis",
        lambda place: token("redis", redis={"address": f"127.0.0.1:{place.service}"}),
        request("/redis?t=a"),
    ),
    of_routes(
        "url",
        lambda place: token("url", url=f"http://127.0.0.1:{place.service}/{{token}}"),
        request("/url?t=a"),
    ),
    of_routes("backend", _silent_backend, request("/backend")),
    of_routes("tls-backend", _silent_tls_backend, request("/tls-backend")),
    Thing("certificate", _prepare_certificate, lambda place, gateway: place.hang_disk("tls")),
    Thing(
        "recordings",
        _prepare_recordings,
        lambda place, gateway: place.hang_disk("recordings"),
        request("/recorded"),
    ),
    Thing("configuration", lambda place: None, _reload_from_hung_disk),
    Thing("plugin's import", lambda place: None, _reload_with_hanging_plugin),
    # Of lines that are longer than what the pipe holds
    Thing("log", lambda place: None, lambda place, gateway: gateway.leave_log(), request("/files/" + "x" * 2000)),
    of_routes("bcrypt", _dear_hash, request("/bcrypt", {"Authorization": f"Basic {BASIC}"})),
)


def _healthy(place: Place, port: int) -> None:
    """The neighbours: one of each kind."""
    made = place.make("healthy")
    (made / "tokens").write_text(f"right: 127.0.0.1:{place.service}\n")
    (made / "index.html").write_text("here")
    (made / "users").write_text("guest:{SHA}jMj/cASx0IWmUKrRQm6nMJcrEps=\n")
    place.routes += [
        token("healthy-tokens", file=str(made / "tokens")),
        {"name": "healthy-files", "match": {"path": "/healthy/*"}, "files": {"root": str(made)}},
        {
            "name": "healthy-recordings",
            "match": {"path": "/recorded-too"},
            "tunnel": {"to": [f"tcp://127.0.0.1:{place.service}"], "record": {"directory": str(made)}},
        },
        relay(port),
    ]


@dataclass
class Bystander:
    """A client that does not use what hangs."""

    gateway: Gateway
    open_client: OpenClient
    directory: Path

    async def check(self) -> None:
        for _ in range(4):  # so that each of the workers is met, most likely
            async with connect(self.gateway.url()) as client:
                await client.send("new")
                assert await client.recv() == "new"
            await self._expect(request("/healthy-tokens?t=right"), 101)
            await self._expect(plain_request("/healthy/index.html"), 200)
            await self._expect(plain_request("/nowhere/"), 426)
            await self._expect_recording()

    async def _expect(self, sent: bytes, status: int) -> None:
        client = await self.open_client(self.gateway)
        await client.write(sent)
        assert (await client.read_head()).status == status
        await client.stream.aclose()

    async def _expect_recording(self) -> None:
        before = len(list(self.directory.glob("*.wsgate")))
        await self._expect(request("/recorded-too"), 101)
        await until(lambda: len(list(self.directory.glob("*.wsgate"))) > before)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if os.geteuid() != 0:
        pytest.skip("file systems are mounted by root")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hanging_plugin.py").write_text(PLUGIN)
    (tmp_path / "plugins" / "hanging_at_import.py").write_text(HANGING)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as service:
        place = Place(tmp_path, service.getsockname()[1])
        try:
            yield place
        finally:
            for disk in place.hung:
                disk.release()


@pytest.mark.parametrize("workers", [1, 2])
async def test_whatever_hangs(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, place: Place, workers: int
) -> None:
    for thing in THINGS:
        thing.prepare(place)
    _healthy(place, await serve(echo))
    environment = {"PYTHONPATH": f"{place.directory / 'plugins'}{os.pathsep}{PROJECT}"}
    limits = {"sessions_per_address": "off"}  # each thing has more clients that wait than one address may have
    place.settings |= {"workers": workers, "defaults": PATIENT, "limits": limits}
    gateway = await start_gateway(*place.routes, process={"environment": environment}, **place.settings)
    bystander = Bystander(gateway, open_client, place.directory / "healthy")
    async with connect(gateway.url()) as session:
        for thing in THINGS:
            print(thing.name)
            thing.hang(place, gateway)
            if thing.ask:
                for _ in range(CLIENTS):
                    await (await open_client(gateway)).write(thing.ask)
            with trio.fail_after(10):
                await session.send(thing.name)
                assert await session.recv() == thing.name
                await bystander.check()
        gateway.process.terminate()
        assert await gateway.process.wait() == 0  # the session got its Close
    gateway.take_up_log()
    assert await gateway.wait_exit() == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_disk_of_a_unix_socket_hangs(
    start_gateway: StartGateway, serve: Serve, place: Place, workers: int
) -> None:
    """A reload changes the mode of one there and drops another; then all ends."""
    directory = place.make("sockets")
    tcp = {"bind": "127.0.0.1:0"}
    kept = {"bind": f"unix:{directory}/kept"}
    gone = {"bind": f"unix:{directory}/gone"}
    routes = [relay(await serve(echo))]
    gateway = await start_gateway(*routes, listeners=[tcp, kept, gone], workers=workers)

    async with connect(gateway.url()) as session:
        place.hang_disk("sockets")
        changed = [tcp, {**kept, "mode": "0600"}]
        write_config(gateway.file.parent, routes, listeners=changed, workers=workers)
        gateway.process.send_signal(signal.SIGHUP)
        for _ in range(workers):
            await gateway.next_line("listener not adjusted")
            await gateway.next_line("reloaded")
        with trio.fail_after(10):
            await session.send("old")
            assert await session.recv() == "old"
            async with connect(gateway.url()) as client:
                await client.send("new")
                assert await client.recv() == "new"
        gateway.process.terminate()
    assert await gateway.wait_exit() == 0
