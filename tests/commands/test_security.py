"""The page of ``wsgate check --security``."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsgate import cli
from wsgate.commands.security import security_page
from wsgate.settings.load import loads

FILE = """\
listeners:
  - {bind: 0.0.0.0:80, redirect: https}
  - {bind: "[::]:443", tls: {certificate: a.pem, client_ca: b.pem, client_auth: optional}}
  - {bind: 10.0.0.1:8443, tls: {certificate: a.pem, plaintext: true}, proxy_protocol: {from: [10.0.0.2]}}
  - {bind: "[::1]:8444", tls: {acme: {hosts: [a.example.com, b.example.com], store: /var/lib/wsgate}}}
  - {bind: "unix:/run/gate.sock", mode: 0660, addresses: {allow: [unix]}}
  - {bind: 127.0.0.1:8080}
trusted_proxies: [10.0.0.0/8]
limits: {upgrades_per_second: 100}
admin: {bind: "unix:/run/admin.sock", token: {file: token}, tap: payload}
routes:
  - name: chat
    match: {host: [chat.example.com], path: /chat/*}
    addresses: {allow: [192.0.2.0/24], deny: [192.0.2.9]}
    origins: [https://chat.example.com, same-host]
    auth: {basic: {users: ["alice:{PLAIN}a"]}, client_certificate: {}, require: any}
    limits:
      {sessions: 5, sessions_per_address: 2, sessions_per_user: 1, messages_per_second: 9, bytes_per_second: 1MiB}
    timeouts: {lifetime: 1h}
    http: forward
    relay: {to: [ws://127.0.0.1:9000, "unix:/run/app.sock"], to_file: backends}
  - name: named
    match: {path: /named}
    tunnel: {target: {from: ["query:t"]}, allow: ["10.0.0.0/8:22"], deny: [10.0.0.1]}
  - name: token
    match: {path: /token}
    tunnel: {token: {from: ["header:x-t"], file: tokens}, allow: ["10.0.0.0/8:22"]}
  - {name: fixed, match: {path: /fixed}, origins: ["null"], tunnel: {to: tls://127.0.0.1:1}, limits: {frame: 1KiB}}
  - {name: moved, match: {path: /moved}, redirect: /new}
  - {name: state, match: {path: /state}, state: ready}
  - {name: respond, match: {path: /respond}, respond: 204}
  - {name: site, files: {root: /srv, listing: true}}
"""

PAGE = """\
listeners
  0.0.0.0:80: plain, to everybody who reaches this machine
    plain HTTP is sent on to https
  [::]:443: TLSv1.2 or newer, client certificates optional, to everybody who reaches this machine
  10.0.0.1:8443: TLSv1.2 or newer, and plain on the same port, to who reaches 10.0.0.1
    only to balancers: 10.0.0.2/32
  [::1]:8444: TLSv1.2 or newer, to this machine alone
    certificate by ACME for a.example.com, b.example.com, which the CA checks by http-01
  unix:/run/gate.sock: plain, to whom the file's mode lets in (0660)
    addresses: unix
  127.0.0.1:8080: plain, to this machine alone

the client's address
  as these proxies tell it: 10.0.0.0/8

routes, of which the first that matches takes a request
  chat: chat.example.com, /chat/*
    who: addresses 192.0.2.0/24, but not 192.0.2.9/32
    who: pages: https://chat.example.com, those of the same host; all programs without an Origin
    who: shows basic or client_certificate
    where: ws://127.0.0.1:9000, unix:/run/app.sock, those in /etc/backends
    plain HTTP goes there, too
    limits: sessions 5, of an address 2, of a user 1, message 16MiB, 9 messages per second, 1MiB per second, lifetime 1h
  named: any host, /named
    who: everybody, also by the page of any site
    where: what the client names in query:t, within 10.0.0.0/8:22 but not 10.0.0.1
    limits: sessions any number, lifetime any
  token: any host, /token
    who: everybody, also by the page of any site
    where: what the client's token leads to, by file within 10.0.0.0/8:22
    limits: sessions any number, lifetime any
  fixed: any host, /fixed
    who: pages: null; no programs without an Origin
    where: tls://127.0.0.1:1
    limits: sessions any number, frame 1KiB, lifetime any
  moved: any host, /moved
    who: everybody
    where: a redirect to /new
  state: any host, /state
    who: everybody
    where: the answer whether it is ready
  respond: any host, /respond
    who: everybody
    where: the answer 204
  site: any host, any path
    who: everybody
    where: files below /srv, with lists of them

limits of all together
  sessions: 10000, or as many as there are descriptors for
  sessions of a client address: 200
  upgrades in a second: 100
  upgrades in a second of a client address: any number
  connections of a client address that say nothing: 100
  request heads: 16KiB, targets in them: 8KiB

for operators
  unix:/run/admin.sock: everything with the token, the metrics without it; health without it
    wsgate tap shows what users send

dangers
  routes[1] named: tunnel.target: everybody may have the gateway connect to what allow has: write auth or addresses
"""


def test_the_page() -> None:
    assert "\n".join(security_page(loads(FILE, "/etc/wsgate.yaml"))) + "\n" == PAGE


MINE = "listeners: [{bind: 'unix:/run/gate.sock'}]\nroutes: [{name: a, match: {path: /a}, respond: 200}]\n"


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("", "  no admin listener"),
        ("admin: {bind: 127.0.0.1:9600}", "  127.0.0.1:9600: everything, without a token"),
        (
            "admin: {bind: 127.0.0.1:9600, token: {file: t}, metrics: token}",
            "  127.0.0.1:9600: everything with the token; health without it",
        ),
        ("", "  unix:/run/gate.sock: plain, to whom the file's mode lets in (what the umask leaves)"),
        ("", "  that of the connection: no proxy is trusted"),
        ("", "no dangers found"),
        (
            "limits: {shared: 'redis://gate:S3cr3t@h'}",
            "  counted together with the gateways on redis://h:6379/0: of addresses and users, and upgrades",
        ),
        ("limits: {sessions: off}", "  sessions: any number, or as many as there are descriptors for"),
    ],
)
def test_a_line(more: str, line: str) -> None:
    assert line in security_page(loads(MINE + more, "f"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wsgate.yaml"
    file.write_text(MINE)
    assert cli.main(["check", str(file), "--security"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "listeners"
    assert printed[-1] == "no dangers found"
    file.write_text(MINE + "more: 1\n")
    assert cli.main(["check", str(file), "--security"]) == 2
