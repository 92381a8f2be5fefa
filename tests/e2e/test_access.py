"""Origins, passwords and certificates against the programs that have them: curl and the websockets library."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close

from tests.pki import Authority, Pair, client_context

from .gateway import StartGateway, relay
from .library import Serve, connect, echo
from .tls import listener, run

PAGE = "https://app.example.com"
WORD = "öffne:dich"


def line(user: str, word: str) -> str:
    """What htpasswd -B writes."""
    hashed = bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()
    return f"{user}:{hashed.replace('$2b$', '$2y$', 1)}\n"


async def status(uri: str, **options: Any) -> int:
    """Returns the status that a WebSocket client gets; 101 if a session opens and echoes."""
    try:
        async with connect(uri, **options) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.needs("curl")
async def test_a_page_and_its_websocket_behind_one_file_of_users(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text(line("ann", WORD))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("welcome")
    auth = {"basic": {"file": str(users), "realm": "Desks"}}
    gateway = await start_gateway(
        relay(await serve(echo), match={"path": "/ws"}, auth=auth, origins=[PAGE]),
        {"name": "site", "auth": auth, "files": {"root": str(tmp_path / "site")}},
    )
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*", f"http://127.0.0.1:{gateway.port}/")
    said = await run(*curl)
    assert said.startswith("HTTP/1.1 401 ")
    assert 'www-authenticate: basic realm="desks", charset="utf-8"' in said.lower()
    assert (await run(*curl, "-u", "ann:n0pe")).startswith("HTTP/1.1 401 ")
    said = await run(*curl, "-u", f"ann:{WORD}")
    assert said.startswith("HTTP/1.1 200 ")
    assert said.endswith("welcome")

    def uri(user: str, word: str) -> str:
        return f"ws://{user}:{word}@127.0.0.1:{gateway.port}/ws"

    word = "%C3%B6ffne%3Adich"
    assert await status(uri("ann", word), origin=PAGE) == 101
    assert await status(uri("ann", word)) == 403
    assert await status(uri("ann", word), origin="https://evil.example") == 403
    assert await status(uri("bob", "new"), origin=PAGE) == 401

    users.write_text(line("bob", "new"))
    assert await status(uri("bob", "new"), origin=PAGE) == 101
    assert await status(uri("ann", word), origin=PAGE) == 401
    assert not any(secret in "".join(gateway.log) for secret in (WORD, "n0pe", "YW5u"))


@pytest.mark.needs("htpasswd")
async def test_a_file_that_htpasswd_has_written(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    users = str(tmp_path / "users")

    async def write(*arguments: str) -> None:
        await run("htpasswd", *arguments)

    await write("-bcB", "-C", "4", users, "ann", "sesame")
    await write("-bs", users, "bob", "open it")
    gateway = await start_gateway(relay(await serve(echo), auth={"basic": {"file": users}}))

    async def answer(user: str, word: str) -> int:
        return await status(f"ws://{user}:{word}@127.0.0.1:{gateway.port}/")

    assert await answer("ann", "sesame") == await answer("bob", "open%20it") == 101
    assert await answer("ann", "open%20it") == 401
    # its default is Apache's own, and -p writes the password itself: the others hold
    await write("-b", users, "cat", "x")
    await write("-bp", users, "dan", "y")
    await write("-bB", "-C", "4", users, "ann", "another")
    assert await answer("ann", "another") == await answer("bob", "open%20it") == 101
    assert await answer("ann", "sesame") == await answer("cat", "x") == await answer("dan", "y") == 401
    for number, problem in ((3, "'cat' is Apache's MD5"), (4, "'dan' has no hash that is known")):
        line = await gateway.next_line("password file has a wrong line", line=number)
        assert line["problem"].startswith(f"the password of {problem}")
    await write("-D", users, "bob")
    assert await answer("bob", "open%20it") == 401


async def test_one_certificate_of_several(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = {"client_ca": str(authority.file), "client_auth": "optional"}
    auth = {"client_certificate": {"names": ["worker 7"]}}
    gateway = await start_gateway(
        relay(await serve(echo), auth=auth), listeners=[listener(authority.issue("localhost"), **tls)]
    )
    uri = f"wss://localhost:{gateway.port}/"
    for name, expected in (("worker 7", 101), ("worker 8", 403)):
        own = authority.issue("worker", to=f"client-{expected}", common_name=name)
        assert await status(uri, ssl=client_context(authority, own)) == expected
    assert await status(uri, ssl=client_context(authority)) == 403


async def test_sessions_end_when_their_credential_is_taken_back(
    start_gateway: StartGateway, serve: Serve, tmp_path: Path
) -> None:
    authority, port = Authority(tmp_path), await serve(echo)
    keys = tmp_path / "keys"
    keys.write_text(f"meter:{hashlib.sha256(b'one').hexdigest()}\npump:{hashlib.sha256(b'two').hexdigest()}\n")
    by_key = relay(port, name="keys", match={"path": "/keys"}, auth={"api_keys": {"file": str(keys)}})
    names = ["ann", "bob"]

    def by_name() -> dict[str, Any]:
        return relay(port, name="names", auth={"client_certificate": {"names": names}})

    tls = {"client_ca": str(authority.file), "client_auth": "optional"}
    listeners = [listener(authority.issue("localhost"), **tls)]
    gateway = await start_gateway(by_key, by_name(), listeners=listeners)
    uri = f"wss://localhost:{gateway.port}/"
    own = {name: client_context(authority, authority.issue(name, to=name, common_name=name)) for name in names}
    async with (
        connect(f"{uri}keys", ssl=client_context(authority), additional_headers={"X-Api-Key": "one"}) as meter,
        connect(f"{uri}keys", ssl=client_context(authority), additional_headers={"X-Api-Key": "two"}) as pump,
        connect(uri, ssl=own["ann"]) as ann,
        connect(uri, ssl=own["bob"]) as bob,
    ):
        keys.write_text(keys.read_text().partition("\n")[2])
        names.remove("ann")
        await gateway.reload(by_key, by_name(), listeners=listeners)
        for gone in (meter, ann):
            with pytest.raises(ConnectionClosed) as caught:
                await gone.recv()
            assert caught.value.rcvd == Close(1008, "credential revoked")
        for left in (pump, bob):
            await left.send("hello")
            assert await left.recv() == "hello"
    ended = [await gateway.next_line("session") for _ in range(4)]
    assert sorted((line["user"], line["reason"]) for line in ended if line["reason"] == "revoked") == [
        ("ann", "revoked"),
        ("meter", "revoked"),
    ]


@pytest.mark.needs("openssl")
async def test_a_certificate_of_a_program_by_its_uri(start_gateway: StartGateway, serve: Serve, tmp_path: Path) -> None:
    """Without a common name, as SPIFFE has them, and signed by itself: openssl makes it."""
    kinds = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/O=Example")
    own = Pair(str(tmp_path / "own.pem"), str(tmp_path / "own.key"))
    uri = "spiffe://example.com/worker/7"
    name = f"subjectAltName=URI:{uri},DNS:w7.example.com"
    await run("openssl", "req", "-x509", *kinds, "-addext", name, "-out", own.certificate, "-keyout", own.key)
    authority, port = Authority(tmp_path), await serve(echo)
    tls = listener(authority.issue("localhost"), client_ca=own.certificate, client_auth="optional")

    def by(*patterns: str) -> dict[str, Any]:
        auth = {"client_certificate": {"san": list(patterns)}}
        return relay(port, name=patterns[0].partition(":")[0], match={"path": f"/{len(patterns)}"}, auth=auth)

    gateway = await start_gateway(
        by("uri:spiffe://example.com/worker/*"), by("dns:*.example.net", "email:*@example.com"), listeners=[tls]
    )
    context = client_context(authority, own)
    assert await status(f"wss://localhost:{gateway.port}/1", ssl=context) == 101
    line = await gateway.session_line()
    assert (line["user"], line["subject"]) == (uri, "O=Example")
    assert await status(f"wss://localhost:{gateway.port}/2", ssl=context) == 403
    line = await gateway.refused_line()
    assert line["detail"].endswith(f"its other names are uri:{uri}, dns:w7.example.com")
