"""Chromium and Firefox through each kind of ``compression``, to a backend that compresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from websockets.trio.server import ServerConnection

from .browser import opened_in_chromium, opened_in_firefox
from .compressing import DEFLATE, EXTENSIONS, LOGGED, MIB, NO_WINDOWS, SMALL, from_json, route, size_of, to_json
from .gateway import StartGateway
from .library import Serve, echo
from .site import PATIENCE, Open, Site

ASKED = ("pass", "off", "client", "both", "windows")
MESSAGES = [*SMALL, bytes(MIB)]

PAGE = """<!doctype html><title>wsgate</title><script>
const urls = URLS, messages = MESSAGES;
const coded = (data) => new Promise((done) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result.replace(/^[^,]*,?/, ""));
  reader.readAsDataURL(data);
});
const exchange = (url) => new Promise((done) => {
  const socket = new WebSocket(url), echoed = [];
  const send = () => {
    const { text, data } = messages[echoed.length];
    socket.send(text ?? Uint8Array.from(atob(data), (each) => each.charCodeAt(0)));
  };
  socket.onopen = send;
  socket.onmessage = async ({ data }) => {
    echoed.push(typeof data === "string" ? { text: data } : { data: await coded(data) });
    if (echoed.length < messages.length) send();
    else socket.close(1000);
  };
  socket.onclose = ({ code }) => done([code, socket.extensions, echoed]);
});
(async () => {
  const seen = [];
  for (const url of urls) seen.push(await exchange(url));
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
})();
</script>"""


def told_by_chromium(kind: str) -> str:
    """With ``pass`` it is the answer of the library websockets, whose windows are of 4 KiB."""
    if kind == "off":
        return ""
    if kind in ("client", "both"):
        return NO_WINDOWS
    bits = {"pass": 12, "windows": 10}[kind]
    return f"{DEFLATE}; server_max_window_bits={bits}; client_max_window_bits={bits}"


def told_by_firefox(kind: str) -> str:
    """It tells a page no parameters."""
    return "" if kind == "off" else DEFLATE


@pytest.mark.parametrize(
    ("open_browser", "offer", "told"),
    [
        pytest.param(
            opened_in_chromium,
            f"{DEFLATE}; client_max_window_bits",
            told_by_chromium,
            id="chromium",
            marks=pytest.mark.needs("chromium"),
        ),
        pytest.param(opened_in_firefox, DEFLATE, told_by_firefox, id="firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_a_page(
    start_gateway: StartGateway,
    serve: Serve,
    site: Site,
    open_browser: Open,
    offer: str,
    told: Callable[[str], str],
    tmp_path: Path,
) -> None:
    offers = []

    async def note_and_echo(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        offers.append(websocket.request.headers.get(EXTENSIONS, ""))
        await echo(websocket)

    url = f"ws://127.0.0.1:{await serve(note_and_echo, compression='deflate')}"
    gateway = await start_gateway(*(route(kind, "echo", url) for kind in ASKED))
    urls = json.dumps([gateway.url(f"/{kind}-echo/") for kind in ASKED])
    messages = f"[{', '.join(map(to_json, MESSAGES))}]"
    site.page = PAGE.replace("URLS", urls).replace("MESSAGES", messages).encode()
    profile = tmp_path / "profile"
    profile.mkdir()
    with open_browser(profile, f"http://127.0.0.1:{site.server_port}/"):
        assert await trio.to_thread.run_sync(site.heard.wait, PATIENCE)
    assert offers[:3] == [offer, "", ""]  # only with "pass" is it the client's
    for kind, (code, extensions, echoed) in zip(ASKED, site.said, strict=True):
        assert (kind, code, extensions) == (kind, 1000, told(kind))
        assert [from_json(json.dumps(each)) for each in echoed] == MESSAGES, kind
        line = await gateway.session_line(route=f"{kind}-echo")
        assert (line.get("compression"), line["reason"]) == (LOGGED[kind][0], "closed")
        assert (line["messages_up"], line["largest_up"]) == (len(MESSAGES), max(map(size_of, MESSAGES)))
        if kind != "off":
            assert 0 < line["compressed_up"] < line["plain_up"]
            assert 0 < line["compressed_down"] < line["plain_down"]
