"""TLS to the client, through real programs that speak it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers.frames import BINARY, MASK, Frame, close_frame
from tests.peers.heads import plain_request, request
from tests.peers.stream import Backend
from tests.pki import Authority, Pair, client_context, days, encrypt

from . import gateway as gateway_module
from .gateway import Gateway, OpenBackend, OpenClient, StartGateway, relay, write_config
from .library import Serve, connect, echo
from .tls import connect_tls, listener, run, s_client, subject

NAME = "gateway.test"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue(NAME, "localhost", common_name=NAME)


async def test_websockets_over_tls(start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair) -> None:
    gateway = await start_gateway(relay(await serve(echo)), listeners=[listener(pair)])
    for version in (TLS12, TLS13):
        context = client_context(authority, maximum_version=version)
        async with connect(f"wss://localhost:{gateway.port}/", ssl=context) as client:
            for message in ("grüße", bytes(range(256)) * 5000):
                await client.send(message)
                assert await client.recv() == message
        line = await gateway.session_line()
        assert (line["reason"], line["client_code"], line["detail"]) == ("closed", 1000, None)


async def test_plain_and_tls_side_by_side(
    start_gateway: StartGateway, serve: Serve, authority: Authority, pair: Pair
) -> None:
    gateway = await start_gateway(relay(await serve(echo)), listeners=[{"bind": "127.0.0.1:0"}, listener(pair)])
    plain, secure = (address.rpartition(":")[2] for address in gateway.addresses)
    async with (
        connect(f"ws://127.0.0.1:{plain}/") as one,
        connect(f"wss://localhost:{secure}/", ssl=client_context(authority)) as two,
    ):
        for client in (one, two):
            await client.send("hello")
            assert await client.recv() == "hello"


# -- versions, names, resumption: openssl s_client ---------------------------------------------------------------------


@pytest.mark.needs("openssl")
async def test_versions(start_gateway: StartGateway, pair: Pair) -> None:
    both = await start_gateway(relay(1), listeners=[listener(pair)])
    new = await start_gateway(relay(1), listeners=[listener(pair, min_version="TLSv1.3")])
    assert "New, TLSv1.3, " in await s_client(both)
    assert "Protocol  : TLSv1.2" in await s_client(both, "-tls1_2")
    assert "New, TLSv1.3, " in await s_client(new)
    assert "alert protocol version" in await s_client(new, "-tls1_2")
    line = await new.next_line("handshake failed")
    assert line["reason"] == "the peer speaks no version of TLS that is allowed here"
    # below the oldest supported version, also if the client would accept it
    assert "alert protocol version" in await s_client(both, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")


@pytest.mark.needs("openssl")
async def test_ciphers_and_alpn(start_gateway: StartGateway, pair: Pair) -> None:
    gateway = await start_gateway(
        relay(1), listeners=[listener(pair, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305")]
    )
    assert "Cipher    : ECDHE-ECDSA-CHACHA20-POLY1305" in await s_client(gateway, "-tls1_2")
    assert "alert handshake failure" in await s_client(gateway, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "ALPN protocol: http/1.1" in await s_client(gateway, "-alpn", "h2,http/1.1")
    assert "No ALPN negotiated" in await s_client(gateway, "-alpn", "h2")
    assert "Compression: NONE" in await s_client(gateway)
    assert "Secure Renegotiation IS supported" in await s_client(gateway, "-tls1_2")  # that is: no insecure one


@pytest.mark.needs("openssl")
async def test_renegotiation_is_refused(start_gateway: StartGateway, pair: Pair, authority: Authority) -> None:
    gateway = await start_gateway(relay(1), listeners=[listener(pair)])
    said = await run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-tls1_2", stdin=b"R\nGET / HTTP/1.1\r\n\r\n"
    )
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said


@pytest.fixture
def several(authority: Authority) -> dict[str, Any]:
    named = [["default.test"], ["one.test"], ["*.wild.test"]]
    pairs = [authority.issue(*names, to=f"s{i}", common_name=names[0]) for i, names in enumerate(named)]
    return {"bind": "127.0.0.1:0", "tls": {"certificates": [pair.settings() for pair in pairs]}}


@pytest.mark.needs("openssl")
async def test_sni(start_gateway: StartGateway, several: dict[str, Any]) -> None:
    gateway = await start_gateway(relay(1), listeners=[several])
    for asked, expected in [
        (["-servername", "one.test"], "one.test"),
        (["-servername", "x.wild.test"], "*.wild.test"),
        (["-servername", "a.b.wild.test"], "default.test"),
        (["-servername", "unknown.test"], "default.test"),
        (["-noservername"], "default.test"),
    ]:
        assert subject(await s_client(gateway, *asked)) == expected


@pytest.mark.needs("openssl")
async def test_a_name_that_is_not_ascii(start_gateway: StartGateway, several: dict[str, Any]) -> None:
    """It fails that handshake, with one line in the log, and nothing that is no log line (the fixture looks)."""
    gateway = await start_gateway(relay(1), listeners=[several])
    assert "alert internal error" in await s_client(gateway, "-servername", "grüße.test")
    line = await gateway.next_line("handshake failed")
    assert line["reason"] == "the peer asked for a name that is not ASCII"
    assert subject(await s_client(gateway, "-servername", "one.test")) == "one.test"


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", ["default.test", "one.test"])
@pytest.mark.parametrize("auth", [None, "required"])
async def test_resumption(
    start_gateway: StartGateway,
    several: dict[str, Any],
    authority: Authority,
    tmp_path: Path,
    version: str,
    name: str,
    auth: str | None,
) -> None:
    own = authority.issue("worker", to="client")
    if auth is not None:
        several["tls"] |= {"client_ca": authority.file, "client_auth": auth}
    gateway = await start_gateway(relay(1), listeners=[several])
    session = str(tmp_path / "session")
    arguments = [version, "-servername", name, "-cert", own.certificate, "-key", own.key]
    assert "New, TLSv1." in await s_client(gateway, *arguments, "-sess_out", session)
    said = await s_client(gateway, *arguments, "-sess_in", session)
    assert "Reused, TLSv1." in said
    assert "426 Upgrade Required" in said


# -- client certificates -----------------------------------------------------------------------------------------------


async def test_client_certificates(
    start_gateway: StartGateway, open_backend: OpenBackend, authority: Authority, pair: Pair
) -> None:
    """Required and optional ones; the backend gets their data, and only from the gateway."""
    backend = await open_backend()
    own = authority.issue("worker.test", to="client", common_name="worker 7")
    for auth in ("required", "optional"):
        gateway = await start_gateway(
            relay(backend.port), listeners=[listener(pair, client_ca=authority.file, client_auth=auth)]
        )
        client = await connect_tls(gateway, client_context(authority, own))
        await client.write(request("/", {"X-Client-Cert-Subject": "CN=admin", "X-Client-Cert-Verify": "SUCCESS"}))
        server = await backend.accept_request()
        assert server.head.all("X-Client-Cert-Verify") == ["SUCCESS"]
        (shown,) = server.head.all("X-Client-Cert-Subject")
        assert shown.startswith("CN=worker 7,")
        assert len(server.head.one("X-Client-Cert-Fingerprint") or "") == 64
        assert server.head.all("X-Forwarded-Proto") == ["https"]
        await server.accept_upgrade()
        assert (await client.read_head()).status == 101
        await client.send(close_frame(1000))
        await server.receive_close()
        await server.send(close_frame(1000))
        await server.vanish()
        await client.stream.aclose()
        assert (await gateway.session_line())["subject"] == shown

    without = await connect_tls(gateway, client_context(authority))  # optional
    await without.write(request("/", {"X-Client-Cert-Subject": "CN=admin", "X-Client-Cert-Verify": "SUCCESS"}))
    server = await backend.accept_request()
    assert [name for name, _ in server.head.headers if name.lower().startswith("x-client-cert")] == []
    await without.stream.aclose()


@pytest.mark.needs("openssl")
async def test_clients_without_the_right_certificate(
    start_gateway: StartGateway, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    gateway = await start_gateway(relay(1), listeners=[listener(pair, client_ca=authority.file)])
    stranger = Authority(tmp_path, "stranger").issue("worker", to="stranger-client")
    expired = authority.issue("worker", to="expired", not_before=days(-3), not_after=days(-1))
    for arguments, alert, reason in [
        ([], "alert certificate required", "the peer showed no certificate"),
        (
            ["-cert", stranger.certificate, "-key", stranger.key],
            "alert unknown ca",
            "the peer's certificate is not accepted: unable to get local issuer certificate",
        ),
        (
            ["-cert", expired.certificate, "-key", expired.key],
            "alert certificate expired",
            "the peer's certificate is not accepted: certificate has expired",
        ),
    ]:
        # the alert arrives, though the client has sent a request behind its part of the handshake
        assert alert in await s_client(gateway, *arguments)
        assert (await gateway.next_line("handshake failed"))["reason"] == reason
    assert "426 Upgrade Required" in await s_client(
        gateway, "-cert", (own := authority.issue("worker", to="client")).certificate, "-key", own.key
    )


@pytest.mark.needs("openssl")
async def test_a_client_that_does_not_trust_us(start_gateway: StartGateway, pair: Pair) -> None:
    gateway = await start_gateway(relay(1), listeners=[listener(pair)])
    await s_client(gateway, "-verify_return_error", "-CAfile", pair.certificate.replace("server", "ca"), "-quiet")
    await s_client(gateway, "-verify_return_error", "-no-CAfile", "-no-CApath")
    line = await gateway.next_line("handshake failed")
    assert line["reason"] == "the peer refused with the alert 'unknown ca': it does not trust our certificate"
    assert line["listener"] == "127.0.0.1:0"


# -- plain on TLS, TLS on plain, and neither ---------------------------------------------------------------------------


@pytest.mark.needs("curl")
async def test_plain_on_tls_and_tls_on_plain(start_gateway: StartGateway, authority: Authority, pair: Pair) -> None:
    gateway = await start_gateway(relay(1), listeners=[listener(pair), {"bind": "127.0.0.1:0"}])
    secure, plain = (address.rpartition(":")[2] for address in gateway.addresses)
    curl = ("curl", "-sS", "-i", "--max-time", "5", "--noproxy", "*", "--cacert", authority.file)
    assert "426 Upgrade Required" in await run(*curl, f"https://localhost:{secure}/")
    said = await run(*curl, f"http://localhost:{secure}/")
    assert "400 Bad Request" in said
    assert "this port speaks TLS: use https:// or wss://" in said
    said = await run(*curl, f"https://localhost:{plain}/")
    assert "alert handshake failure" in said
    line = await gateway.next_line("handshake failed")
    assert line["reason"].startswith("TLS spoken to a plain listener: use http:// or ws://")


async def test_bad_input_disturbs_nobody(
    start_gateway: StartGateway, serve: Serve, open_client: OpenClient, authority: Authority, pair: Pair
) -> None:
    """Garbage, half a ClientHello, silence: these connections end at the deadline, while a session goes on."""
    gateway = await start_gateway(
        relay(await serve(echo)), listeners=[listener(pair)], defaults={"timeouts": {"handshake": "300ms"}}
    )
    async with connect(f"wss://localhost:{gateway.port}/", ssl=client_context(authority)) as client:
        for data, reason in [
            (b"\x00\x01\x02\x03" * 1000, "the peer does not speak TLS"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100, "no TLS handshake within 0.3 s"),
            (b"\x16\x03\x01\x00\x04\xff\xff\xff\xff", "the handshake failed: "),
            (b"\x16", "no TLS handshake within 0.3 s"),
        ]:
            stranger = await open_client(gateway)
            await stranger.write(data)
            line = await gateway.next_line("handshake failed")
            assert line["reason"].startswith(reason)
            assert line["client"] == stranger.address
            await client.send("still there")
            assert await client.recv() == "still there"
        silent = await open_client(gateway)
        await silent.read_end()


# -- how it ends -------------------------------------------------------------------------------------------------------


async def open_pair(gateway: Gateway, backend: Backend, authority: Authority) -> tuple[Any, Any]:
    client = await connect_tls(gateway, client_context(authority))
    await client.write(request())
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    return client, server


async def test_a_cut_is_told_from_an_end(
    start_gateway: StartGateway, open_backend: OpenBackend, authority: Authority, pair: Pair
) -> None:
    """Only close_notify shows that the stream was not cut (RFC 8446 §6.1)."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port), listeners=[listener(pair)])
    client, server = await open_pair(gateway, backend, authority)
    await client.stream.transport_stream.aclose()  # FIN alone
    assert await server.receive_close() == (1001, "client connection lost")
    await server.send(close_frame(1001))
    await server.vanish()
    line = await gateway.session_line()
    assert (line["reason"], line["ended_by"]) == ("gone", "client")
    assert "TLS ended without close_notify" in line["detail"]

    client, server = await open_pair(gateway, backend, authority)
    await client.stream.aclose()  # close_notify, then FIN
    assert await server.receive_close() == (1001, "client connection lost")
    await server.send(close_frame(1001))
    await server.vanish()
    line = await gateway.session_line()
    assert (line["reason"], line["detail"]) == ("gone", "connection ended without a Close")


async def test_the_gateway_says_close_notify(
    start_gateway: StartGateway, open_backend: OpenBackend, authority: Authority, pair: Pair
) -> None:
    """Behind a session's Close, and behind a refusal."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port), listeners=[listener(pair)])
    client, server = await open_pair(gateway, backend, authority)
    await client.send(close_frame(1000))
    await server.receive_close()
    await server.send(close_frame(1000))
    await server.vanish()
    assert await client.receive_close() == (1000, "")
    await client.read_end()  # trio raises where close_notify is missing
    await client.stream.aclose()
    refused = await connect_tls(gateway, client_context(authority))
    await refused.write(plain_request())
    assert (await refused.read_head()).status == 426
    await refused.read_body()
    await refused.read_end()
    await refused.stream.aclose()


@pytest.mark.needs("openssl")
async def test_a_key_update(
    start_gateway: StartGateway, open_backend: OpenBackend, pair: Pair, nursery: trio.Nursery
) -> None:
    """RFC 8446 §4.6.3, in the middle of a session: openssl's K asks the gateway to renew its key as well."""
    backend = await open_backend()
    gateway = await start_gateway(relay(backend.port), listeners=[listener(pair)])
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-tls1_3"]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = bytearray()

    async def wait_for(what: bytes) -> None:
        assert process.stdout is not None
        with trio.fail_after(10):
            while what not in said:
                data = await process.stdout.receive_some()
                assert data, bytes(said)
                said.extend(data)

    try:
        await process.stdin.send_all(request())
        server = await backend.accept_request()
        await server.accept_upgrade()
        await wait_for(b"101 Switching Protocols")
        for number in range(3):
            await process.stdin.send_all(b"K\n")
            await wait_for(b"KEYUPDATE\n")
            del said[:]
            await process.stdin.send_all(Frame(BINARY, b"up %d" % number).encode(MASK))
            assert (await server.receive()).payload == b"up %d" % number
            await server.send(Frame(BINARY, b"down %d" % number))
            await wait_for(b"down %d" % number)
    finally:
        process.kill()
        await process.wait()
        await process.stdin.aclose()
        await process.stdout.aclose()
    await server.receive_close()
    await server.send(close_frame(1001))
    await server.vanish()
    line = await gateway.session_line()
    assert (line["messages_up"], line["messages_down"]) == (3, 3)


# -- wsgate check ------------------------------------------------------------------------------------------------------


def test_check_finds_each_fault_with_its_place(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    other = authority.issue("x.test", to="other")
    expired = authority.issue("x.test", to="expired", not_before=days(-3), not_after=days(-1))
    locked = authority.issue("x.test", to="locked")
    encrypt(locked.key, b"sesame")
    config = write_config(
        tmp_path,
        [{**relay(1), "relay": {"to": "wss://127.0.0.1:1", "tls": {"ca": str(tmp_path / "none")}}}],
        listeners=[
            {"bind": "127.0.0.1:1", "tls": {"certificate": pair.certificate, "key": str(tmp_path / "none")}},
            {"bind": "127.0.0.1:2", "tls": {"certificate": pair.certificate, "key": other.key}},
            {"bind": "127.0.0.1:3", "tls": expired.settings()},
            {"bind": "127.0.0.1:4", "tls": {"certificates": [pair.settings(), locked.settings()]}},
        ],
    )
    done = gateway_module.run("check", config)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    expected = [
        ("listeners[0].tls.key: ", "does not exist"),
        ("listeners[1].tls.key: ", "does not belong to the first certificate"),
        ("warning: listeners[2].tls.certificate: ", "expired on"),
        ("listeners[3].tls.certificates[1].key: ", "is encrypted: name a file with its password"),
        ("routes[0].relay.tls.ca: ", "does not exist"),
    ]
    text = config.read_text().splitlines()
    for line, (path, message) in zip(lines, expected, strict=False):
        place, _, rest = line.removeprefix(f"{config}:").partition(": ")
        row, column = map(int, place.split(":"))
        assert rest.startswith(path), line
        assert message in rest
        key = path.removesuffix(": ").rpartition(".")[2]
        assert text[row - 1].lstrip(" -").startswith(f"{key}: "), line
        assert column > 1
    assert len(lines) == len(expected) + 1
    done = gateway_module.run("serve", config)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, len(expected) + 1)
