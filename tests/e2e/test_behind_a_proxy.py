"""Real proxies in front, with the configurations of docs/behind-a-proxy.md, and untrusted clients that pretend to be
one."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from tests.peers.frames import MASK, TEXT, Frame, close_frame
from tests.peers.heads import request
from tests.peers.sockets import free_port
from tests.peers.stream import Backend, Peer
from tests.pki import Authority, client_context
from tests.programs import find

from . import services
from .gateway import PROJECT, Gateway, OpenBackend, OpenClient, StartGateway, relay

PAGE = (PROJECT / "docs" / "behind-a-proxy.md").read_text()
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([6, 6, 6, 6, 127, 0, 0, 1]) + b"\0\1\0\2"

# The fields of a client that pretends to be another one
STRANGE = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil.test",
    "Forwarded": "for=6.6.6.6;host=evil.test;proto=https",
    "X-Real-IP": "6.6.6.6",
    "X_Forwarded_For": "6.6.6.6",
    "X-Client-Cert-Subject": "CN=evil.test",
}


def example(section: str, language: str, page: str = PAGE) -> str:
    """A block of the page, by the heading above it."""
    found = re.search(rf"^## {re.escape(section)}$.*?^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found, (section, language)
    return found[1]


def gateway_settings(section: str) -> dict[str, Any]:
    """The gateway's part of an example, without its routes, on a port of the kernel's choice."""
    settings: dict[str, Any] = yaml.safe_load(example(section, "yaml"))
    del settings["routes"]
    settings["listeners"][0]["bind"] = "127.0.0.1:0"
    return settings


@pytest.fixture
def port() -> int:
    return free_port()


class Front:
    """A proxy in front of a gateway."""

    def __init__(self, nursery: trio.Nursery, directory: Path, port: int) -> None:
        self._nursery = nursery
        self._directory = directory
        self.port = port

    async def haproxy(self, example: str) -> None:
        """Start HAProxy with an example's lines."""
        file = self._directory / "haproxy.cfg"
        file.write_text("defaults\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n" + example)
        await services.start(self._nursery, "haproxy", ["-V", "-db", "-f", file], ready=b"Using ")
        with trio.fail_after(services.START_DEADLINE):  # it listens only after its last line of output
            while not is_open(self.port):  # noqa: ASYNC110 - another process has no event for us
                await trio.sleep(0.01)

    async def nginx(self, example: str) -> None:
        """Start nginx with an example's lines, as a user without rights could."""
        directory = self._directory / "nginx"
        directory.mkdir()
        places = "".join(
            f"{name}_temp_path {directory};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = self._directory / "nginx.conf"
        file.write_text(
            f"daemon off; master_process off; pid {directory}/pid; error_log stderr notice; events {{}}\n"
            f"http {{ access_log off; {places}\n{example}}}"
        )
        options: list[str | Path] = ["-e", "stderr", "-p", directory, "-c", file]
        await services.start(self._nursery, "nginx", options, ready=b"using the ")

    async def caddy(self, example: str) -> None:
        """Start Caddy with an example's site, in the clear: its certificate would come from a CA."""
        file = self._directory / "Caddyfile"
        file.write_text("{\nadmin off\nauto_https off\ndefault_bind 127.0.0.1\n}\n" + example)
        arguments: list[str | Path] = ["run", "--adapter", "caddyfile", "--config", file]
        await services.start(self._nursery, "caddy", arguments, ready=b"serving initial configuration")

    async def connect(self, source: str) -> Peer:
        """A client that has this address."""
        sock = trio.socket.socket()
        await sock.bind((source, 0))
        await sock.connect(("127.0.0.1", self.port))
        return Peer(trio.SocketStream(sock), mask=MASK)


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def front(nursery: trio.Nursery, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Front:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):  # where Caddy keeps what it has done
        monkeypatch.setenv(name, str(tmp_path))
    return Front(nursery, tmp_path, port)


async def open_session(client: Peer, backend: Backend) -> Peer:
    await client.write(request("/chat?x=1", {"Host": "chat.test:8081", **STRANGE}))
    server = await backend.accept_request()
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    await client.send(Frame(TEXT, b"up"))
    await server.send(Frame(TEXT, b"down"))
    assert (await server.receive(), await client.receive()) == (Frame(TEXT, b"up"), Frame(TEXT, b"down"))
    return server


def told(server: Peer) -> dict[str, str | None]:
    """Returns the fields that the backend got; none of them may come from an untrusted client."""
    for word in ("6.6.6.6", "evil", "666"):
        assert word not in str(server.head)
    names = ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded")
    return {name: server.head.one(name) for name in names}


PLAIN = {
    "Host": "chat.test:8081",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "chat.test:8081",
    "X-Forwarded-Port": "8081",
    "Forwarded": 'for=127.0.0.1;host="chat.test:8081";proto=http',
}


async def end_session(gateway: Gateway, client: Peer, server: Peer) -> Mapping[str, Any]:
    """The session's line in the log."""
    await client.send(close_frame(1000))
    await server.receive_close()
    await server.send(close_frame(1000))
    await server.vanish()
    await client.receive_close()
    await client.vanish()
    return await gateway.session_line()


# -- the PROXY protocol ------------------------------------------------------------------------------------------------

BALANCER = "A TCP balancer: the PROXY protocol"


@pytest.mark.needs("haproxy")
async def test_haproxy_before_several_gateways(
    front: Front, start_gateway: StartGateway, open_backend: OpenBackend, tmp_path: Path
) -> None:
    """One of them is there; tests/bench/scale has several, and what becomes of their sessions."""
    backend = await open_backend()
    authority, admin = Authority(tmp_path), free_port()
    listener = {"bind": "127.0.0.1:0", "tls": authority.issue("chat.test").settings()}
    listener["proxy_protocol"] = {"from": ["127.0.0.1"]}
    gateway = await start_gateway(
        relay(backend.port), listeners=[listener], admin={"bind": f"127.0.0.1:{admin}"}, log={"format": "json"}
    )
    lines = example("A balancer in TCP mode", "haproxy", (PROJECT / "docs" / "scaling.md").read_text())
    lines = lines.replace("bind :443", f"bind 127.0.0.1:{front.port}").replace("port 9600", f"port {admin}")
    lines = lines.replace("10.0.0.11:8443", f"127.0.0.1:{gateway.port}")
    await front.haproxy(re.sub(r"^ +server r[23] .*\n", "", lines, flags=re.MULTILINE))

    stream: Any = await trio.open_tcp_stream("127.0.0.1", front.port)
    client = "{}:{}".format(*stream.socket.getsockname())
    peer = Peer(trio.SSLStream(stream, client_context(authority), server_hostname="chat.test"), mask=MASK)
    server = await open_session(peer, backend)
    assert (await end_session(gateway, peer, server))["client"] == client


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("version", ["send-proxy-v2", "send-proxy", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
@pytest.mark.parametrize("tls", [True, False])
async def test_haproxy_with_the_proxy_protocol(
    front: Front,
    start_gateway: StartGateway,
    open_backend: OpenBackend,
    tmp_path: Path,
    version: str,
    tls: bool,
) -> None:
    backend = await open_backend()
    settings = gateway_settings(BALANCER)
    authority = Authority(tmp_path)
    settings["listeners"][0]["tls"] = authority.issue("chat.test").settings()
    if not tls:
        del settings["listeners"][0]["tls"]
    gateway = await start_gateway(relay(backend.port), **settings)
    lines = example(BALANCER, "haproxy").replace("bind :443", f"bind 127.0.0.1:{front.port}")
    lines = lines.replace("127.0.0.1:8443 send-proxy-v2", f"127.0.0.1:{gateway.port} {version}")
    await front.haproxy(lines)

    stream: Any = await trio.open_tcp_stream("127.0.0.1", front.port)
    client = "{}:{}".format(*stream.socket.getsockname())
    if tls:
        stream = trio.SSLStream(stream, client_context(authority), server_hostname="chat.test")
    peer = Peer(stream, mask=MASK)
    server = await open_session(peer, backend)
    scheme = "https" if tls else "http"
    expected = {**PLAIN, "X-Forwarded-Proto": scheme, "Forwarded": PLAIN["Forwarded"].replace("http", scheme)}
    assert told(server) == expected
    line = await end_session(gateway, peer, server)
    assert line["client"] == client
    assert line["peer"].startswith("127.0.0.1:")
    assert line["peer"] != client


@pytest.mark.needs("haproxy")
async def test_haproxys_own_health_checks(front: Front, start_gateway: StartGateway) -> None:
    """They are LOCAL, and leave no line in the log."""
    gateway = await start_gateway(relay(1), **_without_tls(gateway_settings(BALANCER)), log={"level": "debug"})
    lines = example(BALANCER, "haproxy").replace("bind :443", f"bind 127.0.0.1:{front.port}")
    lines = lines.replace(
        "127.0.0.1:8443 send-proxy-v2", f"127.0.0.1:{gateway.port} send-proxy-v2 check inter 20ms check-send-proxy"
    )
    await front.haproxy(lines + "    option httpchk\n    http-check expect status 426\n")
    line = await gateway.refused_line(status=426)
    assert line["client"].startswith("127.0.0.1:")
    assert "peer" not in line
    assert gateway.untaken("proxy protocol failed") == []


def _without_tls(settings: dict[str, Any]) -> dict[str, Any]:
    del settings["listeners"][0]["tls"]
    return settings


async def test_a_stranger_with_a_proxy_header(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """It is closed at once if only other addresses may send one; it is an error if none may."""
    backend = await open_backend()
    settings = _without_tls(gateway_settings(BALANCER))
    settings["listeners"][0]["proxy_protocol"]["from"] = ["192.0.2.0/24"]
    gateway = await start_gateway(relay(backend.port), **settings)
    client = await open_client(gateway)
    line = await gateway.next_line("proxy protocol failed")
    assert line["client"] == client.address
    assert line["reason"].startswith("the peer is not in proxy_protocol.from")
    await client.read_end()

    gateway = await start_gateway(relay(backend.port))
    client = await open_client(gateway)
    await client.write(V2 + request())
    assert (await client.read_head()).status == 400
    assert "proxy_protocol" in (await gateway.refused_line())["detail"]


async def test_a_proxy_header_that_never_ends(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient
) -> None:
    """The gateway has a deadline, and serves all others meanwhile."""
    backend = await open_backend()
    settings = _without_tls(gateway_settings(BALANCER))
    gateway = await start_gateway(relay(backend.port), **settings, defaults={"timeouts": {"handshake": "200ms"}})
    endless = [await open_client(gateway) for _ in range(20)]
    for client in endless:
        await client.write(V2[:-1])
    client = await open_client(gateway)
    await client.write(V2)
    await client.write(request())
    server = await backend.accept_request()
    assert server.head.one("X-Forwarded-For") == "6.6.6.6"
    await server.accept_upgrade()
    assert (await client.read_head()).status == 101
    for late in endless:
        await late.read_end()
        line = await gateway.next_line("proxy protocol failed", client=late.address)
        assert line["reason"].startswith("the PROXY header did not end within 0.2 s")
    await client.send(Frame(TEXT, b"still here"))
    assert await server.receive() == Frame(TEXT, b"still here")


# -- proxies of HTTP ---------------------------------------------------------------------------------------------------

NGINX, HAPROXY, CADDY = "An HTTP proxy: nginx", "An HTTP proxy: HAProxy", "An HTTP proxy: Caddy"


async def start_http_proxy(front: Front, program: str, gateway: Gateway) -> None:
    if program == "caddy":
        lines = example(CADDY, "caddyfile").replace("chat.example.com {", f"http://:{front.port} {{")
        await front.caddy(lines.replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}"))
    elif program == "nginx":
        lines = example(NGINX, "nginx").replace("listen 80", f"listen 127.0.0.1:{front.port}")
        await front.nginx(lines.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{gateway.port}"))
    else:
        lines = example(HAPROXY, "haproxy").replace("bind :80", f"bind 127.0.0.1:{front.port}")
        await front.haproxy(lines.replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}"))


@pytest.mark.needs("nginx", "haproxy", "caddy")
@pytest.mark.parametrize("program", ["nginx", "haproxy", "caddy"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_proxy_of_http(
    front: Front, start_gateway: StartGateway, open_backend: OpenBackend, program: str, trusted: bool
) -> None:
    """Fields of an untrusted client are not used, nor those of the proxy, unless the settings trust it."""
    backend = await open_backend()
    settings = gateway_settings(NGINX)
    if not trusted:
        del settings["trusted_proxies"]
    gateway = await start_gateway(relay(backend.port), **settings)
    await start_http_proxy(front, program, gateway)
    client = await front.connect("127.0.0.5")
    server = await open_session(client, backend)
    who = told(server)
    line = await end_session(gateway, client, server)
    if trusted:
        assert who == {
            **PLAIN,
            "X-Forwarded-For": "127.0.0.5, 127.0.0.1",
            "Forwarded": 'for=127.0.0.5;host="chat.test:8081";proto=http, for=127.0.0.1',
        }
        assert line["client"] == "127.0.0.5"
        assert line["peer"].startswith("127.0.0.1:")
    else:
        assert who == PLAIN
        assert line["client"].startswith("127.0.0.1:")
        assert "peer" not in line


# -- redirect: https ---------------------------------------------------------------------------------------------------


@pytest.mark.needs("curl")
async def test_curl_follows_to_https(start_gateway: StartGateway, tmp_path: Path, port: int) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a b.txt").write_text("over TLS")
    authority = Authority(tmp_path)
    plain = free_port()
    gateway = await start_gateway(
        {"name": "site", "files": {"root": str(tmp_path / "site")}},
        listeners=[
            {"bind": f"127.0.0.1:{plain}", "redirect": "https"},
            {"bind": f"127.0.0.1:{port}", "tls": authority.issue("chat.test").settings()},
        ],
    )
    program = find("curl")
    assert program is not None
    command = [program, "-sS", "-L", "--noproxy", "*", "--cacert", authority.file, "-w", "\n%{url_effective}"]
    for name in (plain, port):
        command += ["--resolve", f"chat.test:{name}:127.0.0.1"]
    done = await trio.run_process([*command, f"http://chat.test:{plain}/a%20b.txt?c=%2f"], capture_stdout=True)
    assert done.stdout.decode() == f"over TLS\nhttps://chat.test:{port}/a%20b.txt?c=%2f"
    assert (await gateway.refused_line(status=308))["path"] == "/a%20b.txt"


async def test_no_session_in_the_clear(
    start_gateway: StartGateway, open_backend: OpenBackend, open_client: OpenClient, tmp_path: Path
) -> None:
    """Unless a trusted proxy tells that the client uses TLS."""
    backend = await open_backend()
    gateway = await start_gateway(
        relay(backend.port),
        listeners=[
            {"bind": "127.0.0.1:0", "redirect": "https"},
            {"bind": "127.0.0.1:0", "tls": Authority(tmp_path).issue("chat.test").settings()},
        ],
        trusted_proxies=["127.0.0.1"],
    )
    client = await open_client(gateway)
    await client.write(request("/chat?x=1"))
    head = await client.read_head()
    assert (head.status, head.one("Location")) == (308, "wss://gateway.test/chat?x=1")
    assert await client.read_body() == b"308 ws:// is not served here: use wss://\n"
    proxied = await open_client(gateway)
    await proxied.write(request("/chat", {"X-Forwarded-Proto": "https"}))
    assert (await backend.accept_request()).head.one("X-Forwarded-Proto") == "https"
