"""Forward auth with a service of Flask, where users log in: what programs and pages get from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from websockets.exceptions import InvalidStatus
from websockets.trio.server import ServerConnection
from werkzeug.serving import make_server

from .gateway import StartGateway, relay
from .library import Serve, connect, echo
from .test_access import status
from .tls import run


class Service:
    """The service: it knows by a cookie who has logged in. ``broken``: it fails at each question"""

    def __init__(self) -> None:
        self.broken = False
        self.asked: list[dict[str, str]] = []
        app = flask.Flask("auth")
        app.add_url_rule("/check", view_func=self._check)
        app.add_url_rule("/api/authz/forward-auth", view_func=self._authelia)
        app.add_url_rule("/oauth2/auth", view_func=self._oauth2_proxy)
        app.add_url_rule("/oauth2/sign_in", view_func=lambda: "Sign in")
        self.server = make_server("127.0.0.1", 0, app, threaded=True)

    def _authelia(self) -> flask.Response:
        """What Authelia's /api/authz/forward-auth wants to know, and how it answers."""
        request = flask.request
        self.asked.append(dict(request.headers))
        if not all(f"X-Forwarded-{name}" in request.headers for name in ("Method", "Proto", "Host", "Uri", "For")):
            return flask.Response(status=400)
        if request.cookies.get("authelia_session") == "s":
            named = {
                "Remote-User": "alice",
                "Remote-Groups": "staff,admins",
                "Remote-Name": "Alice",
                "Remote-Email": "a@x",
            }
            return flask.Response(status=200, headers=named)
        portal = f"https://auth.example.com/?rd={request.headers['X-Forwarded-Uri']}&rm=GET"
        if "text/html" not in request.headers.get("Accept", ""):
            return flask.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Authorization Required"'})
        return flask.Response(f'<a href="{portal}">302 Found</a>', 302, {"Location": portal})

    def _oauth2_proxy(self) -> flask.Response:
        """How oauth2-proxy answers with --reverse-proxy and --set-xauthrequest."""
        request = flask.request
        self.asked.append(dict(request.headers))
        if request.cookies.get("_oauth2_proxy") != "s":
            return flask.Response("Unauthorized", 401)
        named = {"User": "alice", "Email": "a@x", "Groups": "staff,admins", "Preferred-Username": "Alice"}
        fields = {f"X-Auth-Request-{name}": value for name, value in named.items()}
        answer = flask.Response("Authenticated", 202, fields)
        answer.set_cookie("_oauth2_proxy", "s", httponly=True)
        return answer

    def _check(self) -> flask.Response:
        request = flask.request
        self.asked.append(dict(request.headers))
        if self.broken:
            return flask.Response(status=500)
        user = request.cookies.get("login")
        if user == "mallory":
            return flask.Response("no", 403)
        if user is not None:
            answer = flask.Response(status=200, headers={"X-Auth-User": user, "X-Auth-Groups": "staff"})
            answer.set_cookie("login", user, max_age=600)
            return answer
        if "text/html" in request.headers.get("Accept", ""):
            uri = request.headers["X-Forwarded-Uri"]
            answer = flask.Response(status=302, headers={"Location": f"https://login.example.com/?rd={uri}"})
            answer.set_cookie("csrf", "x")
            return answer
        return flask.Response(status=401, headers={"WWW-Authenticate": 'Bearer realm="staff"'})


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.01,))
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


def forward(service: Service, **more: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{service.server.port}/check"
    return {"forward": {"url": url, "fields": ["X-Auth-User", "X-Auth-Groups"], **more}}


@pytest.mark.parametrize("workers", [1, 2])
async def test_who_is_logged_in(start_gateway: StartGateway, serve: Serve, service: Service, workers: int) -> None:
    heard: list[Any] = []

    async def handle(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        heard.append(websocket.request.headers)
        await echo(websocket)

    route = relay(await serve(handle), auth=forward(service))
    gateway = await start_gateway(route, workers=workers)
    lies = {"X-Auth-User": "root", "X-Auth-Groups": "admin", "X_Auth_Groups": "admin", "X-Forwarded-Uri": "/lies"}
    async with connect(gateway.url("/a?b=c"), additional_headers={"Cookie": "login=alice", **lies}) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        assert client.response is not None
        assert client.response.headers["Set-Cookie"].startswith("login=alice; ")
    assert (await gateway.session_line(user="alice"))["path"] == "/a"
    (fields,) = heard
    assert fields.get_all("X-Auth-User") == ["alice"]
    assert fields.get_all("X-Auth-Groups") == ["staff"]
    assert "X_Auth_Groups" not in fields
    asked = service.asked[0]
    assert (asked["X-Forwarded-Uri"], asked["X-Forwarded-Method"]) == ("/a?b=c", "GET")
    assert (asked["X-Forwarded-For"], asked["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    with pytest.raises(InvalidStatus) as caught:
        async with connect(gateway.url()):
            pass
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["WWW-Authenticate"] == 'Bearer realm="staff"'
    assert await status(gateway.url(), additional_headers={"Cookie": "login=mallory"}) == 403
    # A service that fails, a reload to another one, and that one is not there
    service.broken = True
    assert await status(gateway.url(), additional_headers={"Cookie": "login=alice"}) == 503
    line = await gateway.next_line("auth service broken")
    assert line["error"].endswith("/check answered with status 500")
    await gateway.reload({**route, "auth": forward(service, url="http://127.0.0.1:1/check")}, workers=workers)
    for _ in range(workers - 1):
        await gateway.next_line("reloaded")
    assert await status(gateway.url(), additional_headers={"Cookie": "login=alice"}) == 503
    assert "login=alice" not in "".join(gateway.log)


@pytest.mark.needs("curl")
async def test_a_browser_is_led_to_the_login(start_gateway: StartGateway, serve: Serve, service: Service) -> None:
    """And who has no password, but can get one there, is not asked for it by the browser."""
    auth = {"require": "any", "basic": {"users": ["ann:{PLAIN}sesame"]}, **forward(service)}
    gateway = await start_gateway(relay(await serve(echo), auth=auth, http="forward"))
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*", f"http://127.0.0.1:{gateway.port}/page?x=1")
    said = await run(*curl, "-H", "Accept: text/html")
    assert said.startswith("HTTP/1.1 302 ")
    assert "\r\nlocation: https://login.example.com/?rd=/page?x=1\r\n" in said.lower()
    assert "\r\nset-cookie: csrf=x; path=/\r\n" in said.lower()
    said = await run(*curl)
    assert said.startswith("HTTP/1.1 401 ")
    assert said.lower().count("www-authenticate: ") == 2
    assert await status(gateway.url().replace("ws://", "ws://ann:sesame@")) == 101
    assert await status(gateway.url(), additional_headers={"Cookie": "login=alice"}) == 101


@pytest.mark.needs("curl")
async def test_the_contract_of_authelia(start_gateway: StartGateway, serve: Serve, service: Service) -> None:
    heard: list[Any] = []

    async def handle(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        heard.append(websocket.request.headers)
        await echo(websocket)

    url = f"http://127.0.0.1:{service.server.port}/api/authz/forward-auth"
    names = ["Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email"]
    auth = forward(service, url=url, fields=names, user="Remote-User")
    gateway = await start_gateway(relay(await serve(handle), auth=auth, http="forward"))
    sent = {"Cookie": "authelia_session=s", "Remote-User": "root", "Remote_Groups": "root"}
    assert await status(gateway.url("/a"), additional_headers=sent) == 101
    await gateway.session_line(user="alice")
    (fields,) = heard
    assert [fields.get_all(name) for name in names] == [["alice"], ["staff,admins"], ["Alice"], ["a@x"]]
    assert "Remote_Groups" not in fields
    assert await status(gateway.url("/a")) == 401
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*", f"http://127.0.0.1:{gateway.port}/a")
    said = await run(*curl, "-H", "Accept: text/html")
    assert said.startswith("HTTP/1.1 302 ")
    assert "\r\nlocation: https://auth.example.com/?rd=/a&rm=GET\r\n".lower() in said.lower()


@pytest.mark.needs("curl")
async def test_the_contract_of_oauth2_proxy(start_gateway: StartGateway, serve: Serve, service: Service) -> None:
    """Its own pages are a route without auth."""
    heard: list[Any] = []

    async def handle(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        heard.append(websocket.request.headers)
        await echo(websocket)

    port = service.server.port
    url, names = f"http://127.0.0.1:{port}/oauth2/auth", ["X-Auth-Request-User", "X-Auth-Request-Email"]
    pages = relay(port, name="oauth2", match={"path": "/oauth2/*"}, http="forward")
    app = relay(await serve(handle), auth=forward(service, url=url, fields=names, user=names[0]), http="forward")
    gateway = await start_gateway(pages, app)
    sent = {"Cookie": "_oauth2_proxy=s", "X-Auth-Request-User": "root", "X-Auth-Request-Groups": "root"}
    async with connect(gateway.url("/a?b"), additional_headers=sent) as client:
        assert client.response is not None
        assert client.response.headers["Set-Cookie"].startswith("_oauth2_proxy=s; HttpOnly")
    await gateway.session_line(user="alice")
    (fields,) = heard
    assert [fields.get_all(name) for name in names] == [["alice"], ["a@x"]]
    assert service.asked[0]["X-Forwarded-Uri"] == "/a?b"
    assert await status(gateway.url("/a")) == 401
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*")
    said = await run(*curl, f"http://127.0.0.1:{gateway.port}/oauth2/sign_in")
    assert said.startswith("HTTP/1.1 200 ")
    assert said.endswith("Sign in")
    assert (await run(*curl, f"http://127.0.0.1:{gateway.port}/page")).startswith("HTTP/1.1 401 ")
