"""Routes without a backend, as curl and one of the libraries see them: ``respond``, ``redirect``, and a single-page
application's ``fallback``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from websockets.exceptions import InvalidStatus

from tests.peers.sockets import free_port

from . import services
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


@pytest.mark.needs("nginx")
async def test_a_fallback_is_what_nginx_does(
    start_gateway: StartGateway, nursery: trio.Nursery, tmp_path: Path
) -> None:
    """With ``try_files $uri $uri/ /index.html``: the same statuses and bodies, and the same places of redirects."""
    app, own = tmp_path / "app", tmp_path / "nginx"
    (app / "sub").mkdir(parents=True)
    own.mkdir()
    for name in ("index.html", "app.js", "sub/index.html"):
        (app / name).write_text(name)
    gateway = await start_gateway({"name": "app", "files": {"root": str(app), "fallback": "/index.html"}})
    port = free_port()
    places = "".join(f"{name}_temp_path {own};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    location = "location / { try_files $uri $uri/ /index.html; }"
    (own / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {own}/pid; error_log stderr notice; events {{}}\n"
        f"http {{ access_log off; absolute_redirect off; {places}\n"
        f"server {{ listen 127.0.0.1:{port}; root {app}; {location} }} }}\n"
    )
    options = ["-e", "stderr", "-p", str(own), "-c", str(own / "nginx.conf")]
    await services.start(nursery, "nginx", options, ready=b"using the ")
    for path in ("", "app.js", "app.js/", "app.js/x", "inbox", "inbox/7?x", "none.js", "sub/", "sub/x", "a%2Fb"):
        ours, nginx = [await curl("-w", "%{http_code}", f"http://127.0.0.1:{at}/{path}") for at in (gateway.port, port)]
        assert ours == nginx, path
    show = ("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    ours, nginx = [await curl(*show, f"http://127.0.0.1:{at}/sub") for at in (gateway.port, port)]
    assert ours == nginx.replace(str(port), str(gateway.port)) == f"301 http://127.0.0.1:{gateway.port}/sub/"
