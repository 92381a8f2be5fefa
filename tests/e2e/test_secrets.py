"""No output has a secret: log, admin listener, commands, errors. Secrets are planted wherever one may be."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio

from tests.peers.heads import plain_request, request
from tests.peers.sockets import serve_tcp
from tests.pki import Authority, encrypt

from .gateway import Gateway, StartGateway, relay, write_config
from .gateway import run as command
from .library import Serve, connect, echo

# In a configuration, the files that it names, and the answers of a service
NAMES = ("plain", "file", "key", "hs", "admin", "redis", "keys", "forward", "answer", "tls")
PLAIN, IN_FILE, KEY, SIGNING, ADMIN, REDIS, KEYS, FORWARD, ANSWER, TLS = (
    f"{name}-s3cr3t-0123456789abcdef" for name in NAMES
)
# Of clients that are refused
WRONG_KEY, WRONG_PASSWORD = "wrong-s3cr3t-key", "wrong-s3cr3t-word"
TOKEN, FORGED = (jwt.encode({"sub": "ann"}, key + "padding", "HS256") for key in (SIGNING, WRONG_KEY + SIGNING))

# What must be nowhere, in each form in which it is sent or kept
SECRETS = (
    "s3cr3t",
    TOKEN.rpartition(".")[2],
    FORGED.rpartition(".")[2],
    *(base64.b64encode(f"ann:{word}".encode()).decode() for word in (PLAIN, WRONG_PASSWORD)),
    base64.b64encode(f"bob:{IN_FILE}".encode()).decode(),
    hashlib.sha256(KEY.encode()).hexdigest(),
)


def planted(directory: Path, port: int, service: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns routes and settings with secrets.

    service: the port of the one that is asked who may come in
    """
    (directory / "users").write_text(f"bob:{{PLAIN}}{IN_FILE}\n")
    (directory / "keys").write_text(f"meter:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
    (directory / "signing").write_text(SIGNING + "padding")
    (directory / "admin").write_text(ADMIN)
    (directory / "password").write_text(TLS + "\n")
    pair = Authority(directory).issue("a.test")
    encrypt(pair.key, TLS.encode())
    tls = {"certificate": pair.certificate, "key": pair.key, "password_file": str(directory / "password")}
    auth = {
        "require": "any",
        "basic": {"users": [f"ann:{{PLAIN}}{PLAIN}"], "file": str(directory / "users")},
        "api_keys": {
            "file": str(directory / "keys"),
            "from": ["header:X-Api-Key", "query:key", "cookie:key", "subprotocol:key."],
        },
        "jwt": {
            "key": str(directory / "signing"),
            "algorithms": ["HS256"],
            "from": ["header:Authorization", "query:jwt", "cookie:jwt", "subprotocol:jwt."],
        },
    }
    routes = [
        relay(port, match={"path": "/open"}, auth=auth),
        relay(port, name="closing", match={"path": "/closing"}, auth=auth, errors="close"),
        relay(1, name="down", match={"path": "/down"}, auth=auth),
        relay(port, name="plain", match={"path": "/plain"}, auth=auth, http="forward"),
        {"name": "answer", "match": {"path": "/answer"}, "auth": auth, "respond": {"body": "hello"}},
        relay(port, name="forward", match={"path": "/forward"}, auth={"forward": forward(service)}),
        relay(port, name="gone", match={"path": "/gone"}, auth={"forward": forward(1)}),
        relay(
            port,
            name="keys",
            match={"path": "/keys"},
            auth={"jwt": {"jwks": f"http://127.0.0.1:1/keys?key={KEYS}", "algorithms": "ES256"}},
        ),
    ]
    admin = {"bind": f"unix:{directory / 'admin.sock'}", "token": {"file": str(directory / "admin")}}
    listeners = [{"bind": "127.0.0.1:0"}, {"bind": "127.0.0.1:0", "tls": tls}]
    limits = {"shared": f"redis://gate:{REDIS}@127.0.0.1:1/0"}
    settings = {"admin": admin, "log": {"level": "debug"}, "workers": 2, "listeners": listeners, "limits": limits}
    return routes, settings


def forward(port: int) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{port}/check?any={FORWARD}", "fields": ["X-Token"]}


async def decide(stream: trio.SocketStream) -> None:
    """The service: its answers have secrets for the backend and the client."""
    asked = await stream.receive_some(65536)
    status = "200 OK" if b"login=" in asked else "302 Found"
    fields = f"X-Auth-User: eve\r\nX-Token: {ANSWER}\r\nSet-Cookie: sid={ANSWER}\r\nLocation: https://a/?code={ANSWER}"
    await stream.send_all(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n{fields}\r\n\r\n".encode())


def shown(key: str, word: str, token: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields a credential in each place: the query, and the fields."""
    basic = base64.b64encode(word.encode()).decode()
    yield "", {"Authorization": f"Basic {basic}"}
    yield "", {"Authorization": f"Bearer {token}"}
    for name, credential in (("key", key), ("jwt", token)):
        yield f"?{name}={credential}", {}
        yield f"?{name}={credential}&{name}={credential}", {}
        yield "", {"Cookie": f"{name}={credential}"}
        yield "", {"Sec-WebSocket-Protocol": f"{name}.{credential}, chat"}
    yield "", {"X-Api-Key": key}


async def asked_in_each_way(gateway: Gateway) -> set[int]:
    """Sends right and wrong credentials wherever there is a place for them. Returns the statuses."""
    found = set()
    for key, word, token in ((KEY, f"ann:{PLAIN}", TOKEN), (KEY, f"bob:{IN_FILE}", TOKEN)):
        for query, fields in shown(key, word, token):
            for path in ("/open", "/closing", "/down", "/plain", "/answer", "/nowhere"):
                found.add(await status_of(gateway, path + query, fields))
                if path in ("/plain", "/answer"):
                    found.add(await status_of(gateway, path + query, fields, upgrade=False))
    for query, fields in shown(WRONG_KEY, f"ann:{WRONG_PASSWORD}", FORGED):  # not so many that answers are late
        for path in ("/open", "/nowhere"):
            found.add(await status_of(gateway, path + query, fields))
    found.add(await status_of(gateway, "/closing", {"Sec-WebSocket-Protocol": f"key.{WRONG_KEY}, chat"}))
    for path in ("/forward", "/gone", "/keys"):
        for fields in ({}, {"Cookie": f"login={KEY}", "Authorization": f"Bearer {TOKEN}"}):
            found.add(await status_of(gateway, path, fields))
    return found


async def status_of(gateway: Gateway, target: str, fields: dict[str, str], *, upgrade: bool = True) -> int:
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        await stream.send_all(request(target, fields) if upgrade else plain_request(target, **fields))
        return int((await stream.receive_some(65536)).split(b" ")[1])


def asked_of_admin(directory: Path) -> str:
    """Returns all that the admin listener says, with its token and without."""
    said = []
    for target in ("metrics", "healthz", "readyz", *(f"api/v1/{name}" for name in ("status", "routes", "config"))):
        said.append(curl(directory, target))
        said.append(curl(directory, target, "-H", f"Authorization: Bearer {ADMIN}"))
    for name in ("sessions", "sessions?ended=true", "backends", "openapi.json"):
        said.append(curl(directory, f"api/v1/{name}", "-H", f"Authorization: Bearer {ADMIN}"))
    said.append(curl(directory, "api/v1/status", "-H", f"Authorization: Bearer {WRONG_KEY}"))
    return "\n".join(said)


def curl(directory: Path, target: str, *more: str) -> str:
    sock = str(directory / "admin.sock")
    asked = ["curl", "-sS", "-i", "--max-time", "10", "--unix-socket", sock, *more, f"http://localhost/{target}"]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout


@pytest.mark.needs("curl")
async def test_no_output_has_a_secret(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    """With workers, whose parent, and admin process, write to the same log."""
    async with trio.open_nursery() as nursery:
        routes, settings = planted(tmp_path, await serve(echo), await serve_tcp(nursery, decide))
        gateway = await start_gateway(*routes, **settings)
        statuses = await asked_in_each_way(gateway)
        nursery.cancel_scope.cancel()
    assert {101, 200, 302, 400, 401, 404, 502, 503} - statuses == {400}  # which require: any hides
    for line in ("limits not shared", "auth service broken", "token keys not read"):
        await gateway.next_line(line)
    async with connect(gateway.url(f"/open?key={KEY}")) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        said = await trio.to_thread.run_sync(asked_of_admin, tmp_path)
        assert '"user":"meter"' in said.replace(" ", "")  # of the open session
    # Errors, at a reload: secrets where none belongs
    broken = json.loads(json.dumps(routes))
    broken[0]["auth"]["basic"] = {"users": [PLAIN, f"ann:{PLAIN}", f"{PLAIN}\n:x"]}
    broken[1]["auth"]["api_keys"] = KEY
    broken[2]["auth"]["jwt"] = {"key": str(tmp_path / "signing"), "algorithms": ["none", "HS256"], "from": SIGNING[:0]}
    (tmp_path / "keys").write_text(f"{KEY}\nmeter:{KEY}\n")
    (tmp_path / "users").write_text(f"{IN_FILE}\nbob:{IN_FILE}\n")
    broken[5]["auth"]["forward"]["url"] = f"http://gate:{FORWARD}@127.0.0.1/check"
    broken[6]["auth"]["forward"]["url"] = f"http://127.0.0.1:port/check?any={FORWARD}"
    broken[7]["auth"]["jwt"]["jwks"] = f"http://gate:{KEYS}@127.0.0.1/keys?key={KEYS}"
    settings["limits"] = {"shared": f"redis://{REDIS}@127.0.0.1:1/0"}
    (tmp_path / "password").write_text(f"{TLS}-wrong")
    write_config(gateway.file.parent, broken, **settings)
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.next_line("reload refused")
    checked = await trio.to_thread.run_sync(command, "check", gateway.file)
    everything = "\n".join([said, checked.stdout, checked.stderr, *gateway.log])
    assert "line 1 of" in everything  # the files were read
    for place in ("auth.forward.url", "auth.jwt.jwks", "limits.shared", "listeners[1].tls"):
        assert place in everything
    assert secrets_in(everything) == []


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("flags", [("--explain", "ws://a/"), ("--security",)])
def test_no_check_shows_a_secret(tmp_path: Path, flags: tuple[str, ...]) -> None:
    routes, settings = planted(tmp_path, 1, 1)
    said = command("check", write_config(tmp_path, routes, **settings), *flags)
    assert said.returncode == 0, said.stderr
    assert secrets_in(said.stdout + said.stderr) == []


def test_commands_that_stand_for_a_configuration_show_no_password() -> None:
    source = ("--auth-plugin", "BasicHTTPAuth", "--auth-source", f"ann:{PLAIN}")
    said = command("tunnel", "--show-config", *source, "8080", "a:5900")
    assert "{SSHA}" in said.stdout
    assert PLAIN not in said.stdout + said.stderr
