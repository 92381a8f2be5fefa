"""Differences, named as in the configuration file."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from wsgate.ops.changes import Difference, differences, keys, show
from wsgate.settings.model import (
    Defaults,
    Files,
    Heartbeat,
    Listener,
    Log,
    LogLevel,
    Match,
    Network,
    ProxyProtocol,
    Relay,
    RelayBackend,
    Route,
    Target,
    TcpAddress,
    Timeouts,
    Tls,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)

URL = WebSocketUrl(TcpAddress("10.0.0.7", 9000), "/base")
RELAY = Route(name="r", action=Relay(to=(RelayBackend(url=URL),)))
TUNNEL = replace(RELAY, action=Tunnel(to=(Target(TcpAddress("10.0.0.9", 5900)),)))
LISTENER = Listener(bind=TcpAddress("127.0.0.1", 80), tls=Tls(certificate="/a"))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (RELAY, RELAY, ""),
        (RELAY, replace(RELAY, action=Relay(to=(RelayBackend(url=URL), RelayBackend(url=URL)))), "relay.to"),
        (RELAY, replace(RELAY, action=Relay(to=(RelayBackend(url=URL),), validate_text=False)), "relay.validate_text"),
        (RELAY, TUNNEL, "tunnel"),
        (TUNNEL, replace(TUNNEL, action=Files(root="/")), "files"),
        (RELAY, replace(RELAY, timeouts=Timeouts(idle=1, write=2)), "timeouts.idle, timeouts.write"),
        (RELAY, replace(RELAY, heartbeat=None, match=Match(host=("x",))), "match.host, heartbeat"),
        (LISTENER, replace(LISTENER, tls=None, backlog=1), "tls, backlog"),
        (LISTENER, replace(LISTENER, tls=Tls(certificate="/b")), "tls.certificate"),
        (
            replace(LISTENER, proxy_protocol=ProxyProtocol(from_=())),
            replace(LISTENER, proxy_protocol=ProxyProtocol(from_=(Network(None),))),
            "proxy_protocol.from",
        ),
    ],
)
def test_the_keys_that_differ(before: Any, now: Any, expected: str) -> None:
    assert keys(before, now) == expected


def test_both_values_are_there() -> None:
    now = Defaults(timeouts=Timeouts(idle=5))
    assert list(differences(Defaults(), now, "defaults")) == [Difference("defaults.timeouts.idle", None, 5)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "off"),
        (20.0, "20"),
        (0.25, "0.25"),
        (4096, "4096"),
        (LogLevel.DEBUG, "debug"),
        (Heartbeat(interval=20, timeout=5), "{interval: 20, timeout: 5}"),
        (Log(level=LogLevel.DEBUG), "{format: json, level: debug, to: stderr, access: all, flood: 100, interval: off}"),
        ((Network(ipaddress.ip_network("10.0.0.0/8")), Network(None)), "[10.0.0.0/8, unix]"),
        (UnixAddress("/run/x"), "unix:/run/x"),
        (URL, "ws://10.0.0.7:9000/base"),
    ],
)
def test_values_are_shown_much_as_the_file_has_them(value: Any, expected: str) -> None:
    assert show(value) == expected


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        (7, "limits.sessions", "${SESSIONS}"),
        (None, "drain.code", "off"),
        (Heartbeat(interval=20, timeout=5), "heartbeat", "{interval: ${EVERY}, timeout: 5}"),
        ((Network(None), Network(ipaddress.ip_network("10.0.0.0/8"))), "trusted_proxies", "[unix, ${PROXY:-unix}]"),
        ((Network(None),), "trusted_proxies", "[unix]"),
    ],
)
def test_what_came_from_the_environment_is_not_shown(value: Any, path: str, expected: str) -> None:
    from_environment = {
        "limits.sessions": "${SESSIONS}",
        "heartbeat.interval": "${EVERY}",
        "trusted_proxies[1]": "${PROXY:-unix}",
    }
    assert show(value, path, from_environment) == expected
