"""HUP: the running process uses another file, and clients that it does not concern notice nothing."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import TEXT, Frame, close_frame
from tests.peers.heads import plain_request
from tests.peers.sockets import free_port
from tests.peers.stream import Peer, open_session
from tests.pki import Authority, client_context

from .gateway import OpenBackend, OpenClient, OpenSession, StartGateway, relay, write_config
from .herd import Herd
from .library import Serve, connect, echo

OTHER = "127.0.0.2:0"  # another listener than the usual one, with a port of the kernel's choice too


def at(path: str, port: int, **route: Any) -> dict[str, Any]:
    """A relay of the requests for a path, which is its name too."""
    return {**relay(port, match={"path": path}, **route), "name": path.strip("/")}


async def talk(client: Peer, server: Peer) -> None:
    """A session goes on, both ways."""
    for sender, receiver in ((client, server), (server, client)):
        await sender.send(Frame(TEXT, b"hello"))
        assert await receiver.receive() == Frame(TEXT, b"hello")


async def end(client: Peer, server: Peer) -> None:
    """Both ends got a Close, and answer it."""
    for peer in (client, server):
        assert (await peer.receive_close())[0] == 1001
        await peer.send(close_frame(1001))
    await server.vanish()
    await client.read_end()
    await client.vanish()


async def test_100_times_under_load(start_gateway: StartGateway) -> None:
    """With an unrelated route that changes each time: not one session ends, and no message is lost."""
    with Herd(pause=0.02) as sessions:
        stable = at("/stable", sessions.port, on_reload="drain")
        gateway = await start_gateway(stable, at("/changing", 1))
        results = await sessions.open(gateway.port, 100, "/stable")
        for number in range(100):
            await gateway.reload(stable, at("/changing", 2 + number))
            await gateway.next_line("route changed", route="changing", changed="relay.to")
            if number % 10 == 0:
                await sessions.open(gateway.port, 1, "/stable")
            await sessions.go_on(results)
        assert sessions.faults == []
        assert results.codes == {}
        assert gateway.untaken("session") == []
        gateway.process.terminate()
        await sessions.over()
        assert sessions.faults == []
        assert results.codes == {1001: 100}
        assert await gateway.wait_exit() == 0
        line = await gateway.next_line("stopped")
        assert (line["ended"], line["cut"]) == (110, 0)


async def test_on_reload_decides_for_each_route(start_gateway: StartGateway) -> None:
    with Herd(pause=0.1) as sessions:
        port = sessions.port
        gateway = await start_gateway(
            at("/same", port, on_reload="drain"),
            at("/kept", port),
            at("/drained", port, on_reload="drain"),
            at("/removed", port, on_reload="drain"),
        )
        same, kept, drained, removed = [
            await sessions.open(gateway.port, 20, path) for path in ("/same", "/kept", "/drained", "/removed")
        ]
        changed = {"timeouts": {"idle": "1h"}}
        await gateway.reload(
            at("/same", port, on_reload="drain"),
            at("/kept", port, **changed),
            at("/drained", port, on_reload="drain", **changed),
            drain={"spread": "500ms", "code": 1012},
        )
        assert (await gateway.next_line("route changed", route="kept"))["kept"] == 20
        assert (await gateway.next_line("route changed", route="drained"))["drained"] == 20
        assert (await gateway.next_line("route removed", route="removed"))["drained"] == 20
        for name in ("drained", "removed"):
            for _ in range(20):
                line = await gateway.session_line(route=name)
                assert (line["client_code"], line["backend_code"], line["reason"]) == (1012, 1012, "drain")
        assert drained.codes == removed.codes == {1012: 20}
        await sessions.go_on(same, kept)
        assert same.codes == kept.codes == {}
        await sessions.open(gateway.port, 1, "/drained")
        assert sessions.faults == []
        gateway.process.terminate()
        await sessions.over()
        assert await gateway.wait_exit() == 0
        assert same.codes == kept.codes == {1012: 20}


async def test_a_wrong_file_changes_nothing(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    client = await open_client(gateway)
    server = await open_session(client, backend)
    right = gateway.file.read_text()
    gateway.file.write_text("listeners: 7\nroutes: []\ndrain: {code: 1000}\n")
    gateway.process.send_signal(signal.SIGHUP)
    line = await gateway.next_line("reload refused")
    problems = [line["problem"] for line in gateway.untaken("wrong configuration")]
    assert line["errors"] == len(problems) > 1
    assert problems[0].startswith(f"{gateway.file}:1:12: listeners: ")
    assert problems[-1].startswith(f"{gateway.file}:3:15: drain.code: ")
    gateway.file.unlink()
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.next_line("reload refused")
    await talk(client, server)
    another = await open_client(gateway)
    await talk(another, await open_session(another, backend))

    gateway.file.write_text(right)
    gateway.process.send_signal(signal.SIGHUP)
    assert (await gateway.next_line("reloaded"))["changes"] == 0
    await talk(client, server)


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_a_file_is_warned_of_is_said_once(start_gateway: StartGateway, workers: int) -> None:
    """In both cases: the process itself reads the file, or a child of the parent before its workers use the
    settings."""
    gateway = await start_gateway(relay(9), workers=workers)
    route = relay(9, match={"path": "/$HOME"})
    await gateway.reload(route, workers=workers)
    for _ in range(workers - 1):
        await gateway.next_line("reloaded")
    gateway.process.terminate()
    assert await gateway.wait_exit() == 0
    (line,) = gateway.untaken("configuration warning")
    assert "${HOME}" in line["problem"]


async def test_listeners_come_and_go(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient, serve: Serve
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    client = await open_client(gateway)
    server = await open_session(client, backend)
    await gateway.reload(relay(await serve(echo)), listeners=[{"bind": "127.0.0.1:0"}, {"bind": OTHER}])
    added = (await gateway.next_line("listener added"))["address"]
    for address in (added, gateway.addresses[0]):
        async with connect(f"ws://{address}/") as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"

    await gateway.reload(relay(backend.port), listeners=[{"bind": OTHER}])
    assert (await gateway.next_line("listener removed"))["address"] == gateway.addresses[0]
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", gateway.port)
    await talk(client, server)
    gateway.process.terminate()
    await end(client, server)
    assert await gateway.wait_exit() == 0


async def test_a_listener_begins_to_speak_tls(
    open_relay: OpenSession, open_client: OpenClient, serve: Serve, tmp_path: Path
) -> None:
    """On the same socket; what is open goes on as it is."""
    authority = Authority(tmp_path)
    gateway, client, server = await open_relay()
    tls = {"tls": authority.issue("127.0.0.1").settings()}
    await gateway.reload(relay(await serve(echo)), listeners=[{"bind": "127.0.0.1:0", **tls}])
    assert (await gateway.next_line("listener changed"))["changed"] == "tls"
    url = f"wss://{gateway.addresses[0]}/"
    async with connect(url, ssl=client_context(authority)) as websocket:
        await websocket.send("hello")
        assert await websocket.recv() == "hello"
    plain = await open_client(gateway)
    await plain.write(plain_request())
    assert (await plain.read_head()).status == 400
    await talk(client, server)

    authority = Authority(tmp_path, "another")  # the same files, with other contents
    authority.issue("127.0.0.1")
    await gateway.reload(relay(free_port()), listeners=[{"bind": "127.0.0.1:0", **tls}])
    stream = trio.SSLStream(
        await trio.open_tcp_stream("127.0.0.1", gateway.port),
        client_context(authority),
        server_hostname="127.0.0.1",
    )
    await stream.do_handshake()
    await trio.aclose_forcefully(stream)


async def test_a_listener_that_cannot_be_opened(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port))
    taken = f"127.0.0.1:{backend.port}"
    file = gateway.file.read_text()
    gateway.file.write_text(file.replace("listeners:", f"listeners:\n- bind: {OTHER}\n- bind: {taken}"))
    gateway.process.send_signal(signal.SIGHUP)
    assert taken in (await gateway.next_line("reload refused"))["reason"]
    assert gateway.untaken("listener added") == []
    client = await open_client(gateway)
    await talk(client, await open_session(client, backend))


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_file_that_is_watched(workers: int, start_gateway: StartGateway, tmp_path: Path) -> None:
    """As Kubernetes changes a ConfigMap: the file is a link through ``..data``, which is swapped."""
    admin = f"unix:{tmp_path}/admin"
    usual = {"workers": workers, "admin": {"bind": admin}}
    gateway = await start_gateway(at("/first", 1), process={"flags": ["--watch"]}, **usual)
    directory = gateway.file.parent

    def swap(number: int, text: str) -> None:
        (directory / str(number)).mkdir()
        (directory / str(number) / gateway.file.name).write_text(text)
        (directory / "new").symlink_to(str(number))
        (directory / "new").replace(directory / "..data")

    first = gateway.file.read_text()
    swap(1, first.replace("/first", "/second"))
    gateway.file.unlink()
    gateway.file.symlink_to(f"..data/{gateway.file.name}")
    for _ in range(workers):
        await gateway.next_line("reloaded")

    swap(2, first.replace("relay:", "rely:"))
    await gateway.next_line("reload refused")
    assert "the last reload was refused" in await readiness(admin)

    swap(3, first.replace("/first", "/third"))
    for _ in range(workers):
        await gateway.next_line("reloaded")
    assert await readiness(admin) == "ready\n"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_secret_that_comes_after_the_watched_file(
    workers: int, start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    """As Kubernetes may do it: the ConfigMap has a new listener, and the Secret for it is mounted a moment later."""
    authority, admin = Authority(tmp_path), f"unix:{tmp_path}/admin"
    routes, usual = [relay(await serve(echo))], {"workers": workers, "admin": {"bind": admin}}
    gateway = await start_gateway(*routes, process={"flags": ["--watch"]}, **usual)
    port, directory = free_port(), tmp_path / "secret"
    tls = {"certificate": str(directory / "tls.crt"), "key": str(directory / "tls.key")}
    listeners = [{"bind": "127.0.0.1:0"}, {"bind": f"127.0.0.1:{port}", "tls": tls}]
    write_config(gateway.file.parent, routes, listeners=listeners, **usual)
    await gateway.next_line("reload refused")
    assert "the last reload was refused" in await readiness(admin)

    pair = authority.issue("127.0.0.1")
    directory.mkdir()
    shutil.copy(pair.key, tls["key"])
    shutil.copy(pair.certificate, tls["certificate"])
    for _ in range(workers):
        await gateway.next_line("reloaded")
    assert await readiness(admin) == "ready\n"
    async with connect(f"wss://127.0.0.1:{port}/", ssl=client_context(authority)) as websocket:
        await websocket.send("hello")
        assert await websocket.recv() == "hello"


async def readiness(admin: str) -> str:
    stream = await trio.open_unix_socket(admin.removeprefix("unix:"))
    async with stream:
        await stream.send_all(plain_request("/readyz", "localhost", Connection="close"))
        answer = b"".join([piece async for piece in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return body.decode()
