"""A recorded session through the real process, and what noVNC makes of it in a real browser."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from selenium.webdriver.support.ui import WebDriverWait

from tests.peers.frames import BINARY, Frame, close_frame
from tests.peers.stream import Backend, Peer

from .browser import chromium, complaints
from .gateway import Gateway, OpenBackend, OpenClient, StartGateway, run, tunnel

NOVNC = "/usr/share/novnc/core/rfb.js"
PATIENCE = 20.0  # seconds for anything on the page; a loaded machine is slow

WIDTH, HEIGHT = 40, 20
RED, GREEN, BLUE = (200, 10, 20), (30, 210, 40), (50, 60, 220)

# A page that reads what was converted and plays it as noVNC's own tests/playback.js does, which is in no package: what
# came from the service goes, at its time, to noVNC's RFB by way of a channel that sends nothing.
PAGE = """\
<!doctype html><title>recorded</title><link rel="icon" href="data:,"><div id="screen" style="height: 400px"></div>
<script src="recording.js"></script>
<script type="module">
import RFB from "./core/rfb.js";
const frames = VNC_frame_data.slice(0, VNC_frame_data.indexOf("EOF")).map(frame => {
    const data = frame.indexOf("{", 1) + 1;
    return {
        fromClient: frame[0] === "}",
        time: parseInt(frame.slice(1, data - 1)),
        bytes: Uint8Array.from(frame.slice(data), character => character.charCodeAt(0)),
    };
}).filter(frame => !frame.fromClient);
const ignore = () => {};
const channel = {binaryType: "arraybuffer", protocol: "", readyState: "open", send: ignore, close: ignore,
                 onerror: ignore, onmessage: ignore, onopen: ignore, onclose: ignore};
const rfb = new RFB(document.getElementById("screen"), channel);
rfb.viewOnly = true;
rfb.addEventListener("disconnect", event => { document.title = `disconnected, clean: ${event.detail.clean}`; });
rfb.addEventListener("desktopname", event => { document.title = event.detail.name; });
for (const {time, bytes} of frames) setTimeout(() => channel.onmessage({data: bytes.buffer}), time + 50);
</script>
"""

PIXELS = """\
const canvas = document.querySelector("#screen canvas");
if (!canvas || !canvas.width) return null;
return arguments[0].map(([x, y]) => Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)));
"""


def rectangle(x: int, width: int, colour: tuple[int, int, int]) -> bytes:
    """A FramebufferUpdate of one raw rectangle (RFC 6143 §7.6.1, §7.7.1)."""
    return struct.pack("!BxHHHHHi", 0, 1, x, 0, width, HEIGHT, 0) + bytes([*colour, 0]) * (width * HEIGHT)


# 32 bits a pixel, red in the first byte: what noVNC asks for, as in the SetPixelFormat below (RFC 6143 §7.4)
FORMAT = struct.pack("!BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
INIT = struct.pack("!HH", WIDTH, HEIGHT) + FORMAT + struct.pack("!I", 8) + b"recorded"
UPDATE_REQUEST = struct.pack("!BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
KEY = struct.pack("!BBxxI", 4, 1, 0xFF0D)

# The bytes of both sides in order: a session of RFB 3.8 without a password, in which a key makes a part of the screen
# blue
DIALOGUE = [
    ("down", b"RFB 003.008\n"),
    ("up", b"RFB 003.008\n"),
    ("down", b"\x01\x01"),
    ("up", b"\x01"),
    ("down", bytes(4)),
    ("up", b"\x01"),
    ("down", INIT),
    ("up", bytes(4) + FORMAT + struct.pack("!BxHi", 2, 1, 0) + UPDATE_REQUEST),
    ("down", rectangle(0, WIDTH // 2, RED)),
    ("down", rectangle(WIDTH // 2, WIDTH // 2, GREEN)),
    ("up", KEY),
    ("down", rectangle(0, WIDTH // 4, BLUE)),
]


def recorded(port: int, directory: Path) -> dict[str, Any]:
    return {**tunnel(port, record={"directory": str(directory)}), "match": {"path": "/desk"}}


async def talk(client: Peer, service: Peer) -> None:
    for direction, said in DIALOGUE:
        if direction == "up":
            await client.send(Frame(BINARY, said))
            assert await service.read(len(said)) == said
        else:
            await service.write(said)
            assert (await client.receive()).payload == said


async def end(client: Peer, service: Peer) -> None:
    await client.send(close_frame(1000))
    await service.read_end()
    await service.vanish()
    await client.receive_close()
    await client.vanish()


async def open_desk(gateway: Gateway, backend: Backend, open_client: OpenClient) -> tuple[Peer, Peer]:
    client = await open_client(gateway)
    await client.upgrade("/desk?token=secret", {"Sec-WebSocket-Protocol": "binary"})
    return client, await backend.accept()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another process tells nobody
            await trio.sleep(0.01)


@pytest.mark.needs(NOVNC, "chromium", "chromedriver")
async def test_novnc_plays_what_was_recorded(
    tmp_path: Path, start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    records, page = tmp_path / "records", tmp_path / "page"
    records.mkdir()
    for part in ("core", "vendor"):
        shutil.copytree(Path(NOVNC).parents[1] / part, page / part)
    (page / "index.html").write_text(PAGE)
    service = await open_backend()
    gateway = await start_gateway(recorded(service.port, records), {"name": "page", "files": {"root": str(page)}})
    client, server = await open_desk(gateway, service, open_client)
    await talk(client, server)
    await end(client, server)
    await gateway.session_line()
    await until(lambda: any(b'"ended_by"' in file.read_bytes() for file in records.iterdir()))

    (recording,) = records.iterdir()
    told = run("recording", "info", recording).stdout.splitlines()
    assert told[1].split() == ["route", "tunnel"]
    assert f"down         {sum(len(said) for who, said in DIALOGUE if who == 'down')} bytes in 7 records" in told
    converted = run("recording", "convert", recording, "--output", page / "recording.js")
    assert (converted.returncode, converted.stderr) == (0, "")

    def play() -> None:
        with chromium(tmp_path / "profile") as driver:
            driver.get(f"http://127.0.0.1:{gateway.port}/index.html")
            places = [(5, 5), (15, 5), (30, 5)]
            expected = [list(colour) for colour in (BLUE, RED, GREEN)]
            try:
                WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(
                    lambda _: driver.execute_script(PIXELS, places) == expected
                )
            finally:
                print(driver.title, driver.execute_script(PIXELS, places), complaints(driver))
            assert driver.title == "recorded"

    await trio.to_thread.run_sync(play)


async def test_a_session_that_is_cut_is_recorded_to_its_end(
    tmp_path: Path, start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """The process does not end before what has passed is in the file."""
    records = tmp_path / "records"
    records.mkdir()
    service = await open_backend()
    gateway = await start_gateway(recorded(service.port, records), drain={"spread": "0s", "grace": "1ms"})
    client, server = await open_desk(gateway, service, open_client)
    await server.write(b"last words")
    await client.receive()
    gateway.process.terminate()
    assert await gateway.wait_exit() == 1
    (file,) = records.iterdir()
    told = run("recording", "info", file).stdout
    assert "down         10 bytes in 1 records" in told
    assert "ended_by     gateway" in told
