"""``cors`` in Chromium and in Firefox: a page that is named reads answers, another one does not."""

from __future__ import annotations

import http.server
import json
from pathlib import Path
from typing import Any

import pytest
import trio

from .browser import opened_in_chromium, opened_in_firefox
from .gateway import StartGateway
from .site import PATIENCE, Open, Site, running

PAGE = """<!doctype html><title>wsgate</title><script>
const ask = async (init) => {
  try {
    const answer = await fetch(URL_OF_GATEWAY, { credentials: "include", ...init });
    const { headers, status } = answer;
    return [status, await answer.text(), headers.get("X-Total"), headers.get("X-Hidden")];
  } catch (error) {
    return error.name;
  }
};
(async () => {
  const headers = { Authorization: "Basic bWU6eA==", "Content-Type": "application/json" };
  const seen = [
    await ask({ headers }),
    await ask({ method: "PUT", headers, body: JSON.stringify("hello") }),
    await ask({ method: "DELETE", headers }),
    await ask({ credentials: "omit" }),  // or it asks its user
  ];
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
})();
</script>"""


class Backend(http.server.BaseHTTPRequestHandler):
    """Says itself that everybody may read its answers, which no browser takes together with credentials."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        answer = f"{self.command} {body.decode()}".encode()
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("X-Total", "7")
        self.send_header("X-Hidden", "8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_DELETE = do_GET

    def log_message(self, *said: Any) -> None:
        """Says nothing."""


@pytest.mark.parametrize(
    "open_browser",
    [
        pytest.param(opened_in_chromium, id="chromium", marks=pytest.mark.needs("chromium")),
        pytest.param(opened_in_firefox, id="firefox", marks=pytest.mark.needs("firefox-esr")),
    ],
)
async def test_who_reads_answers(start_gateway: StartGateway, open_browser: Open, tmp_path: Path) -> None:
    """Pages of two ports of a host are of different origins."""
    named, other = Site(), Site()
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    with running(api) as backend, running(named) as port, running(other) as other_port:
        gateway = await start_gateway(
            {
                "name": "api",
                "origins": [f"http://127.0.0.1:{port}"],
                "auth": {"basic": {"users": ["me:{PLAIN}x"]}},
                "http": "forward",
                "cors": {"credentials": True, "methods": ["PUT"], "expose": ["X-Total"]},
                "relay": {"to": f"ws://127.0.0.1:{backend}"},
            }
        )
        page = PAGE.replace("URL_OF_GATEWAY", json.dumps(f"http://127.0.0.1:{gateway.port}/api"))
        for site, its in ((named, port), (other, other_port)):
            site.page = page.encode()
            profile = tmp_path / f"profile-{its}"
            profile.mkdir()
            with open_browser(profile, f"http://127.0.0.1:{its}/"):
                assert await trio.to_thread.run_sync(site.heard.wait, PATIENCE)
    refused = "401 user and password are needed\n"
    assert named.said == [
        [200, "GET ", "7", None],
        [200, 'PUT "hello"', "7", None],
        "TypeError",
        [401, refused, None, None],
    ]
    assert other.said == ["TypeError"] * 4
