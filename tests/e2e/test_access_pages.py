"""A page of another site in a browser is refused, with its visitor's password too, while the right page works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from .browser import opened_in_chromium, opened_in_firefox
from .gateway import StartGateway, relay
from .library import Serve, echo
from .site import PATIENCE, Open, Site, running

PAGE = """<!doctype html><title>wsgate</title><script>
const open = (url) => new Promise((done) => {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send("hello");
  socket.onmessage = ({ data }) => { socket.close(); done(data); };
  socket.onclose = ({ code }) => done(code);
});
(async () => {
  const seen = [];
  for (const url of URLS) seen.push(await open(url));
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
  if (NEXT) location = NEXT;
})();
</script>"""


def page(urls: list[str], following: str | None) -> bytes:
    return PAGE.replace("URLS", json.dumps(urls)).replace("NEXT", json.dumps(following)).encode()


@pytest.mark.parametrize(
    "open_browser",
    [
        pytest.param(opened_in_chromium, id="chromium", marks=pytest.mark.needs("chromium")),
        pytest.param(opened_in_firefox, id="firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_another_sites_page_is_refused(
    start_gateway: StartGateway, serve: Serve, open_browser: Open, tmp_path: Path
) -> None:
    """The visitor goes from the right page to another one, which opens the same WebSockets."""
    backend = await serve(echo)
    right, other = Site(), Site()
    with running(right) as port, running(other) as others:
        origin, foreign = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{others}"
        auth = {"basic": {"users": ["ann:{PLAIN}sesame"]}}
        gateway = await start_gateway(
            relay(backend, name="password", match={"path": "/password"}, origins=[origin], auth=auth),
            relay(backend, name="cookies", match={"path": "/cookies"}, origins=[origin]),
        )
        urls = [f"ws://ann:sesame@127.0.0.1:{gateway.port}/password", gateway.url("/cookies")]
        right.page, other.page = page(urls, foreign + "/"), page(urls, None)
        (tmp_path / "profile").mkdir()
        with open_browser(tmp_path / "profile", origin + "/"):
            for each in (right, other):
                assert await trio.to_thread.run_sync(each.heard.wait, PATIENCE)
        assert right.said == ["hello", "hello"]
        assert other.said == [1006, 1006]
        for name in ("password", "cookies"):
            line = await gateway.refused_line(route=name, status=403)
            assert line["reason"] == "this origin is not allowed"
            assert line["detail"].startswith(f"Origin: {foreign}")
        assert "sesame" not in "".join(gateway.log)
