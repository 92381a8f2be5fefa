"""Routes without a backend, as curl and one of the libraries see them: ``respond``, ``redirect``, and a single-page
application's ``fallback``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from .gateway import StartGateway
from .library import connect
from .tls import run

pytestmark = pytest.mark.needs("curl")


async def curl(*arguments: str) -> str:
    return await run("curl", "-sS", "--path-as-is", "--max-time", "5", "--noproxy", "*", *arguments)


async def test_answers_redirects_and_an_application(start_gateway: StartGateway, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "index.html").write_text("<title>app</title>")
    (tmp_path / "app" / "app.js").write_text("let x")
    alive = {"body": '{"alive": true}', "headers": {"Content-Type": "application/json"}}
    gateway = await start_gateway(
        {"name": "alive", "match": {"path": "/alive"}, "respond": alive},
        {"name": "closed", "match": {"path": "/internal/*"}, "respond": 404},
        {"name": "nothing", "match": {"path": "/nothing"}, "respond": 204},
        {"name": "old", "match": {"path": "/old/*"}, "redirect": "/{rest}{query}"},
        {"name": "post", "match": {"path": "/post"}, "redirect": {"to": "http://{host}:1/x", "status": 308}},
        {"name": "app", "match": {"path": "/*"}, "files": {"root": str(tmp_path / "app"), "fallback": "/index.html"}},
    )
    url = f"http://127.0.0.1:{gateway.port}"
    show = "%{http_code} %{content_type} %{size_download} %{num_connects} %{redirect_url}\\n"

    assert json.loads(await curl(f"{url}/alive")) == {"alive": True}
    # one connection for all: each answer ends where curl expects it
    paths = ["alive", "internal/x", "nothing", "post", "inbox/7", "missing.js", "app.js"]
    said = await curl("-w", show, *(word for path in paths for word in ("-o", "/dev/null", f"{url}/{path}")))
    assert said.splitlines() == [
        "200 application/json 15 1 ",
        "404  0 0 ",
        "204  0 0 ",
        "308  0 0 http://127.0.0.1:1/x",
        "200 text/html; charset=utf-8 18 0 ",
        "200 text/html; charset=utf-8 18 0 ",
        "200 text/javascript; charset=utf-8 5 0 ",
    ]
    assert await curl(
        "--location", "-w", "%{url_effective} %{num_redirects}", "-o", "/dev/null", f"{url}/old/a/b?c=d"
    ) == (f"{url}/a/b?c=d 1")
    assert await curl("-o", "/dev/null", "-w", "%{redirect_url}", f"{url}/old//evil.test") == f"{url}/evil.test"
    head = await curl("--head", f"{url}/alive")
    assert "Content-Length: 15\n" in head.replace("\r", "")
    for path in ("/alive", "/old/x", "/inbox"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{gateway.port}{path}"):
                pass
        assert refused.value.response.status_code == 404
