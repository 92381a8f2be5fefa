"""The command with a real gateway: what it shows of relays and tunnels, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import Frame, close_frame
from wsgate.wire.frames import Opcode

from .gateway import COMMAND, ENVIRONMENT, Gateway, OpenSession, StartGateway, relay
from .gateway import run as command
from .library import Serve, connect, echo


class Tapping:
    """A running ``wsgate tap --json``."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._rest = b""

    async def next(self, event: str) -> dict[str, Any]:
        """The next line, which is of this kind."""
        assert self.process.stdout is not None
        with trio.fail_after(20):
            while b"\n" not in self._rest:
                piece = await self.process.stdout.receive_some()
                assert piece, "the command has ended"
                self._rest += piece
        text, _, self._rest = self._rest.partition(b"\n")
        line: dict[str, Any] = json.loads(text)
        assert line.pop("event") == event, line
        return line

    async def end(self) -> int:
        with trio.fail_after(20):
            return await self.process.wait()


def admin(directory: Path, **more: Any) -> dict[str, Any]:
    return {"bind": f"unix:{directory}/admin.sock", "mode": "0600", **more}


@asynccontextmanager
async def tapping(directory: Path, id: str) -> AsyncIterator[Tapping]:
    """Runs the command, and waits until the tap has begun."""
    process = await trio.lowlevel.open_process(
        [*COMMAND, "tap", id, "--json", "--admin", f"unix:{directory}/admin.sock"],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        tap = Tapping(process)
        assert (await tap.next("begin"))["id"] == id
        yield tap
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                await pipe.aclose()


async def session_id(gateway: Gateway) -> str:
    id: str = (await gateway.next_line("opened"))["id"]
    return id


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_relay_up_to_its_end(open_relay: OpenSession, tmp_path: Path, workers: int) -> None:
    settings = {"admin": admin(tmp_path, tap="payload"), "workers": workers}
    gateway, client, server = await open_relay(settings=settings)
    id = await session_id(gateway)
    async with tapping(tmp_path, id) as tap:
        assert (await gateway.next_line("tapped"))["payload"]
        await client.send(Frame(Opcode.TEXT, b"hello"))
        frame = await tap.next("frame")
        assert (frame["direction"], frame["opcode"], frame["size"], frame["flags"]) == ("up", "text", 5, ["FIN"])
        assert base64.b64decode(frame["payload"]) == b"hello"
        assert (await server.receive()).payload == b"hello"
        await server.send(close_frame(4001, "bye"))
        frame = await tap.next("frame")
        assert (frame["direction"], frame["opcode"], frame["code"]) == ("down", "close", 4001)
        assert await client.receive_close() == (4001, "bye")
        await client.send(close_frame(4001))
        await tap.next("frame")
        await client.read_end()
        await server.stream.aclose()
        end = await tap.next("end")
        assert (end["reason"], end["ended_by"], end["backend_code"]) == ("closed", "backend", 4001)
        assert await tap.end() == 0
    done = await trio.to_thread.run_sync(command, "tap", id, "--admin", f"unix:{tmp_path}/admin.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"wsgate: tap: no session has the id '{id}': it may have ended\n"


async def test_a_tunnel(open_tunnel: OpenSession, tmp_path: Path) -> None:
    """Without payloads, as is the default. Ctrl-C ends the command alone."""
    gateway, client, service = await open_tunnel(settings={"admin": admin(tmp_path)})
    async with tapping(tmp_path, await session_id(gateway)) as tap:
        await client.send(Frame(Opcode.BINARY, b"x" * 1000))
        assert await service.read(1000) == b"x" * 1000
        frame = await tap.next("frame")
        assert (frame["direction"], frame["size"], "payload" in frame) == ("up", 1000, False)
        await service.write(b"secret")
        frame = await tap.next("frame")
        assert (frame["direction"], frame["opcode"], frame["size"]) == ("down", "binary", 6)
        assert (await client.receive()).payload == b"secret"
        tap.process.send_signal(signal.SIGINT)
        assert await tap.end() == 0
    await client.send(Frame(Opcode.BINARY, b"after"))
    assert await service.read(5) == b"after"


@pytest.mark.parametrize(
    ("compression", "compressed"),
    [("pass", ("up", "down")), ({"client": "on"}, ("up",)), ({"backend": "on"}, ("down",))],
)
async def test_a_compressed_session(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path, compression: object, compressed: tuple[str, ...]
) -> None:
    """Frames are shown as they came: the payload plain, the size on the wire beside it."""
    text = "time and time again, " * 100
    port = await serve(echo, compression="deflate")
    gateway = await start_gateway(relay(port, compression=compression), admin=admin(tmp_path, tap="payload"))
    async with (
        connect(gateway.url(), compression="deflate") as client,
        tapping(tmp_path, await session_id(gateway)) as tap,
    ):
        for _ in range(2):
            await client.send(text)
            assert await client.recv() == text
            for direction in ("up", "down"):
                frame = await tap.next("frame")
                assert (frame["direction"], frame["opcode"], frame["size"]) == (direction, "text", len(text))
                assert base64.b64decode(frame["payload"]) == text.encode()
                if direction in compressed:
                    assert frame["flags"] == ["FIN", "RSV1"]
                    assert 0 < frame["compressed_size"] < 100
                else:
                    assert (frame["flags"], "compressed_size" in frame) == (["FIN"], False)


async def test_a_worker_that_dies(open_relay: OpenSession, tmp_path: Path) -> None:
    gateway, _, _ = await open_relay(settings={"admin": admin(tmp_path), "workers": 2, "log": {"level": "debug"}})
    id = await session_id(gateway)
    number = id.partition("-")[0]
    (pid,) = [line["pid"] for line in gateway.untaken("worker started") if str(line["worker"]) == number]
    async with tapping(tmp_path, id) as tap:
        os.kill(pid, signal.SIGKILL)
        assert (await tap.next("end"))["reason"] == "worker"
        assert await tap.end() == 1
    await gateway.next_line("worker died")


async def test_a_gateway_that_ends(open_relay: OpenSession, tmp_path: Path) -> None:
    """Its sessions are over before it is, and so the tap."""
    gateway, client, server = await open_relay(settings={"admin": admin(tmp_path)})
    async with tapping(tmp_path, await session_id(gateway)) as tap:
        gateway.process.terminate()
        for peer in client, server:
            await peer.receive_close()
            await peer.send(close_frame(1001))
        await client.read_end()
        await server.stream.aclose()
        await gateway.process.wait()
        assert await tap.end() in (0, 1)  # the last line may be cut: the process does not wait for who looks at it


@pytest.mark.needs("curl")
async def test_curl_reads_it_line_by_line(open_relay: OpenSession, tmp_path: Path) -> None:
    gateway, client, _ = await open_relay(settings={"admin": admin(tmp_path)})
    target = f"http://localhost/api/v1/sessions/{await session_id(gateway)}/tap"
    curl = await trio.lowlevel.open_process(
        ["curl", "-sN", "--unix-socket", tmp_path / "admin.sock", target], stdout=subprocess.PIPE
    )
    try:
        tap = Tapping(curl)
        await tap.next("begin")
        await client.send(Frame(Opcode.PING))
        assert (await tap.next("frame"))["opcode"] == "ping"
    finally:
        curl.kill()
        with trio.CancelScope(shield=True):
            await curl.wait()
        assert curl.stdout is not None
        await curl.stdout.aclose()
