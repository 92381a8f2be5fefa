"""What ``wsgate check --security`` finds dangerous, and what it does not."""

from __future__ import annotations

import pytest

from wsgate.commands.dangers import dangers
from wsgate.settings.load import loads

FAR = "listeners: [{bind: 0.0.0.0:8080}]\n"
TLS = "listeners: [{bind: 0.0.0.0:8443, tls: {certificate: a.pem}}]\n"
NEAR = "listeners: [{bind: 127.0.0.1:8080}]\n"
RELAY = "relay: {to: ws://127.0.0.1:9000}"
TUNNEL = "origins: any, tunnel: {to: tcp://127.0.0.1:1}"
BASIC = "basic: {users: ['alice:{PLAIN}a']}"
COOKIE = "jwt: {key: k, algorithms: [RS256], from: ['cookie:sid']}"


def found(route: str, top: str = TLS) -> list[str]:
    text = f"{top}routes:\n  - {{name: r, {route}}}\n"
    return dangers(loads(text, "f"))


def test_no_danger() -> None:
    assert found(f"origins: same-host, {RELAY}") == []
    assert found(TUNNEL) == []
    assert found(f"auth: {{{BASIC}}}, {RELAY}") == []
    assert found("respond: 200", FAR) == []
    assert found(TUNNEL, TLS + "limits: {shared: 'rediss://:a@10.0.0.1'}\n") == []
    assert found(TUNNEL, TLS + "limits: {shared: 'redis+sentinel://:a@127.0.0.1,[::1]/main'}\n") == []


@pytest.mark.parametrize(
    ("route", "top", "danger"),
    [
        (TUNNEL, FAR + "trusted_proxies: [0.0.0.0/0]\n", "trusted_proxies: 0.0.0.0/0 is nearly everybody"),
        (TUNNEL, NEAR, "limits.sessions_per_address: only this machine reaches the listeners"),
        (TUNNEL, TLS + "limits: {sessions_per_address: off}\n", "limits.sessions_per_address: off"),
        (TUNNEL, TLS + "limits: {silent_per_address: off}\n", "limits.silent_per_address: off"),
        (TUNNEL, TLS + "admin: {bind: '10.0.0.1:9600', token: {file: t}}\n", "admin: the token crosses the network"),
        (
            TUNNEL,
            TLS + "limits: {shared: 'redis://:S3cr3t@10.0.0.1'}\n",
            "limits.shared: who is on the way to redis://10.0.0.1:6379/0 can read",
        ),
        (f"auth: {{{BASIC}}}, {RELAY}", FAR, "routes[0] r: auth: credentials cross the network to 0.0.0.0:8080"),
        (
            f"auth: {{{BASIC}}}, {RELAY}",
            TLS.replace("certificate", "plaintext: true, certificate"),
            "routes[0] r: auth: credentials cross the network to 0.0.0.0:8443",
        ),
        (f"auth: {{{BASIC}}}, origins: any, {RELAY}", TLS, "routes[0] r: origins: any page may open WebSockets"),
        (f"auth: {{{COOKIE}}}, origins: any, {RELAY}", TLS, "routes[0] r: origins: any page may open WebSockets"),
        (RELAY, TLS, "routes[0] r: origins: any page may open WebSockets"),
        (
            "tunnel: {token: {from: ['cookie:t'], file: f}, allow: ['10.0.0.1:1']}",
            TLS,
            "routes[0] r: origins: any page may open WebSockets",
        ),
        (f"auth: {{{COOKIE.replace('cookie', 'query')}}}, {RELAY}", TLS, "routes[0] r: auth: credentials in a query"),
        (
            "origins: same-host, relay: {to: ws://10.0.0.1:1}",
            TLS,
            "routes[0] r: relay.to: what passes to ws://10.0.0.1",
        ),
        ("tunnel: {to: tcp://10.0.0.1:1}", TLS, "routes[0] r: tunnel.to: what passes to tcp://10.0.0.1:1"),
        (
            "origins: same-host, relay: {to: wss://10.0.0.1:1, tls: {verify: false}}",
            TLS,
            "routes[0] r: tls.verify: false takes every certificate",
        ),
        (
            "tunnel: {target: {from: ['header:x-t']}, allow: ['10.0.0.1:1']}",
            TLS,
            "routes[0] r: tunnel.target: everybody may have the gateway connect",
        ),
        (
            "addresses: {allow: [10.0.0.1]}, tunnel: {target: {from: ['header:x-t']}, allow: ['*:22']}",
            TLS,
            "routes[0] r: tunnel.allow: *:22 is nearly everything",
        ),
        (
            "addresses: {allow: [10.0.0.1]}, tunnel: {target: {from: ['header:x-t']}, allow: ['0.0.0.0/0:22']}",
            TLS,
            "routes[0] r: tunnel.allow: 0.0.0.0/0:22 is nearly everything",
        ),
        (
            "tunnel: {token: {from: ['header:x-t'], file: f}}",
            TLS,
            "routes[0] r: tunnel.token: who can write tokens can lead clients anywhere",
        ),
        (
            "tunnel: {token: {from: ['query:t'], file: f}, allow: ['10.0.0.1:1']}",
            TLS,
            "routes[0] r: tunnel.token: tokens in a query stand in the logs",
        ),
    ],
)
def test_a_danger(route: str, top: str, danger: str) -> None:
    (line,) = found(route, top)
    assert line.startswith(danger)
    assert line.count(": ") >= 2  # its place, what it is, and what to do


@pytest.mark.parametrize(
    "top",
    [
        NEAR + "trusted_proxies: [127.0.0.1]\n",
        "listeners: [{bind: 'unix:/run/gate.sock'}]\n",
        "listeners: [{bind: 127.0.0.1:80, proxy_protocol: {from: [127.0.0.1]}}]\n",
        FAR + "trusted_proxies: [10.0.0.0/8]\n",  # TLS may have ended there
        TLS.replace("]\n", ", {bind: 0.0.0.0:80, redirect: https}]\n"),
        TLS + "admin: {bind: 127.0.0.1:9600}\n",
    ],
)
def test_what_is_behind_something_else(top: str) -> None:
    assert found(f"auth: {{{BASIC}}}, {RELAY}", top) == []


def test_a_route_whose_backends_get_no_cookies() -> None:
    assert found(f"headers: {{to_backend: {{remove: [Cookie]}}}}, {RELAY}") == []
