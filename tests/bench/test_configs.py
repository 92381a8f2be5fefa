from __future__ import annotations

from pathlib import Path

import pytest

from bench import configs
from bench.configs import Ends
from wsgate.settings.load import load
from wsgate.settings.model import LogLevel, Relay, TcpAddress, Tunnel

RELAY = Ends(port=8001, backend=9001)
TUNNEL = Ends(port=8001, backend=9001, tunnel=True)
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


def test_wsgate_takes_its_tunnel(tmp_path: Path) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(configs.wsgate(TUNNEL))
    action = load(str(file)).routes[0].action
    assert isinstance(action, Tunnel)
    assert action.to == (TcpAddress("127.0.0.1", 9001),)


def test_keys_that_a_version_may_lack_are_left_out_where_they_are_not_needed() -> None:
    assert "workers" not in configs.wsgate(RELAY)
    assert "tls" not in configs.wsgate(RELAY)
    assert "workers: 2\n" in configs.wsgate(RELAY, workers=2)
    assert "tls: {certificate: /tmp/x.pem, key: /tmp/x.pem}" in configs.wsgate(SECURE)


@pytest.mark.parametrize("tuned", [False, True])
def test_nginx_has_one_worker_and_large_buffers_only_when_tuned(tuned: bool) -> None:
    text = configs.nginx(RELAY, tuned=tuned)
    assert "worker_processes 1;" in text
    assert "listen 127.0.0.1:8001" in text
    assert "proxy_pass http://127.0.0.1:9001;" in text
    assert ("proxy_buffer_size 64k;" in text) is tuned
    assert text.count("{") == text.count("}")


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
    assert "ssl_certificate /tmp/x.pem; ssl_certificate_key /tmp/x.pem;" in text
