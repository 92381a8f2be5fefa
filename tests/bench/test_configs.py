from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from bench import configs
from bench.configs import Ends
from wsgate.settings.load import load
from wsgate.settings.model import LogLevel, PlainHttp, Relay, Target, TcpAddress, Tunnel
from wsgate.settings.words import CompressionContext

RELAY = Ends(port=8001, backend=9001)
TUNNEL = Ends(port=8001, backend=9001, tunnel=True)
HTTP = Ends(port=8001, backend=9001, http=True)
SECURE = Ends(port=8001, backend=9001, certificate="/tmp/x.pem")


def test_wsgate_takes_its_relay(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(RELAY))
    settings = load(str(file))
    assert [listener.bind for listener in settings.listeners] == [TcpAddress("127.0.0.1", 8001)]
    action = settings.routes[0].action
    assert isinstance(action, Relay)
    assert [str(url) for url in action.to] == ["ws://127.0.0.1:9001"]
    # a line for every session would be measured too
    assert settings.log.level is LogLevel.WARNING


def test_wsgate_takes_its_log_and_its_admin_listener(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(replace(RELAY, admin=8002, log=str(tmp_path / "log"))))
    settings = load(str(file))
    assert settings.admin is not None
    assert settings.admin.bind == TcpAddress("127.0.0.1", 8002)
    assert (settings.log.level, str(settings.log.to)) == (LogLevel.INFO, f"file:{tmp_path}/log")


def test_wsgate_takes_its_compression(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(RELAY, compression="{client: on, context: session}"))
    compression = load(str(file)).routes[0].compression
    assert compression is not None
    assert (compression.client, compression.context) == (True, CompressionContext.SESSION)


def test_wsgate_takes_limits_that_nobody_reaches(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(RELAY, limited=True))
    limits = load(str(file)).routes[0].limits
    assert limits.messages_per_second == 10**9
    assert limits.bytes_per_second == 1000 << 30
    assert limits.sessions == limits.sessions_per_address == 10**6


def test_wsgate_takes_its_tunnel(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(TUNNEL))
    action = load(str(file)).routes[0].action
    assert isinstance(action, Tunnel)
    assert action.to == (Target(TcpAddress("127.0.0.1", 9001)),)


def test_wsgate_takes_its_certificate_and_its_workers(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(Ends(port=8001, backend=9001, certificate=str(pem)), workers=2))
    settings = load(str(file))
    tls = settings.listeners[0].tls
    assert tls is not None
    assert (tls.certificate, tls.key) == (str(pem), str(pem))
    assert settings.workers == 2


def test_requests_are_forwarded_on_kept_connections(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(HTTP))
    assert load(str(file)).routes[0].http is PlainHttp.FORWARD
    text = configs.nginx(HTTP, tuned=False)
    assert "upstream service { server 127.0.0.1:9001; keepalive 64; }" in text
    assert "proxy_pass http://service;" in text
    assert "proxy_set_header Connection $kept;" in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("tuned", [False, True])
def test_nginx_has_one_worker_and_large_buffers_only_when_tuned(tuned: bool) -> None:
    text = configs.nginx(RELAY, tuned=tuned)
    assert "worker_processes 1;" in text
    assert "listen 127.0.0.1:8001" in text
    assert "proxy_pass http://127.0.0.1:9001;" in text
    assert ("proxy_buffer_size 64k;" in text) is tuned
    assert text.count("{") == text.count("}")


def test_several_workers() -> None:
    text = configs.nginx(RELAY, tuned=True, workers=2)
    assert "worker_processes 2;" in text
    assert "listen 127.0.0.1:8001 backlog=4096 reuseport;" in text
    assert "reuseport" not in configs.nginx(RELAY, tuned=True)
    assert "nbthread 2\n" in configs.haproxy(RELAY, tuned=True, threads=2)


@pytest.mark.parametrize("tuned", [False, True])
def test_haproxy_has_one_thread_and_large_buffers_only_when_tuned(tuned: bool) -> None:
    text = configs.haproxy(RELAY, tuned=tuned)
    assert "nbthread 1\n" in text
    assert "bind 127.0.0.1:8001" in text
    assert "server one 127.0.0.1:9001\n" in text
    assert ("tune.bufsize 65536\n" in text) is tuned
    assert "mode http\n" in text
    assert "mode tcp\n" in configs.haproxy(RELAY, tuned=tuned, tcp=True)


def test_peers_get_the_same_certificate() -> None:
    assert "bind 127.0.0.1:8001 ssl crt /tmp/x.pem" in configs.haproxy(SECURE, tuned=False)
    text = configs.nginx(SECURE, tuned=False)
    assert "listen 127.0.0.1:8001 ssl;" in text
    assert "ssl_protocols TLSv1.3; ssl_certificate /tmp/x.pem; ssl_certificate_key /tmp/x.pem;" in text
