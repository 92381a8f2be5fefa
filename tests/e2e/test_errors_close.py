"""``errors: close`` in Chromium and in Firefox: a page sees an open WebSocket and a clean end, each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from .browser import opened_in_chromium, opened_in_firefox
from .gateway import StartGateway
from .site import PATIENCE, Open, Site

TIMES = 20

PAGE = """<!doctype html><title>wsgate</title><script>
const once = () => new Promise((done) => {
  let opened = false;
  const socket = new WebSocket(URL_OF_GATEWAY, ["binary"]);
  socket.onopen = () => { opened = true; };
  socket.onclose = ({ wasClean, code, reason }) => done({ opened, wasClean, code, reason });
});
(async () => {
  const seen = [];
  for (let time = 0; time < TIMES; time += 1) seen.push(await once());
  seen.push(...await Promise.all(Array.from({ length: TIMES }, once)));
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
})();
</script>"""


@pytest.mark.parametrize(
    "open_browser",
    [
        pytest.param(opened_in_chromium, id="chromium", marks=pytest.mark.needs("chromium")),
        pytest.param(opened_in_firefox, id="firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_every_end_is_clean(start_gateway: StartGateway, site: Site, open_browser: Open, tmp_path: Path) -> None:
    """One after the other, and all at once. What is missing here is the service behind the tunnel."""
    nowhere = {"name": "nowhere", "errors": "close", "tunnel": {"to": f"unix:{tmp_path}/nobody.sock"}}
    gateway = await start_gateway(nowhere)
    page = PAGE.replace("URL_OF_GATEWAY", json.dumps(f"ws://127.0.0.1:{gateway.port}/x"))
    site.page = page.replace("TIMES", str(TIMES)).encode()
    profile = tmp_path / "profile"
    profile.mkdir()
    with open_browser(profile, f"http://127.0.0.1:{site.server_address[1]}/"):
        assert await trio.to_thread.run_sync(site.heard.wait, PATIENCE)
    expected = {
        "opened": True,
        "wasClean": True,
        "code": 1011,
        "reason": "Failed to connect to downstream server",
    }
    assert site.said == [expected] * (2 * TIMES)
