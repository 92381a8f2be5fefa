"""Each flag and the YAML that it stands for, letter by letter; and that the gateway takes every one of them."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.pki import Authority
from wsgate.commands.line import UsageError
from wsgate.settings.load import loads
from wsgate.settings.model import Files
from wsgate.websockify.flags import parse
from wsgate.websockify.translate import to_yaml

HEAD = "# What a `wsgate tunnel` command line stands for. Run it with: wsgate serve FILE"
TARGET = "    tunnel:\n      to: tcp://localhost:5900\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Path:
    """A directory with all files that flags may name."""
    pair = authority.issue("gateway.test")
    for name, source in (("c.pem", pair.certificate), ("c.key", pair.key), ("ca.pem", authority.file)):
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "tokens").write_text("a: x:1\n")
    for name in ("web", "sockets", "records"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wsgate.websockify.plugins.ssha", lambda password: "{SSHA}" + "A" * 38 + "==")
    return tmp_path


def config(arguments: str) -> str:
    return to_yaml(parse(shlex.split(arguments)))


def whole(listener: str = "  - bind: 0.0.0.0:6080\n", *, route: str = "", rest: str = TARGET, more: str = "") -> str:
    return (
        f"{HEAD}\nlisteners:\n{listener}log: {{format: text}}\n{more}routes:\n  - name: tunnel\n{route}"
        f"    errors: close\n{rest}"
    )


def limited(number: str) -> str:
    limits = f"limits: {{sessions_per_address: {number}}}\n"
    return whole().replace("log: ", f"{limits}log: ", 1)


def token(*lines: str) -> str:
    return "    tunnel:\n      token:\n        from: query:token\n" + "".join(f"        {line}\n" for line in lines)


LISTENER = "  - bind: 0.0.0.0:6080\n"
MATCH = "    match: {websocket: true}\n"
WEB = "  - name: web\n    files: {root: HERE/web}\n"
BASIC = "    auth:\n      basic:\n        users:\n          - ann:{SSHA}" + "A" * 38 + "==\n"
NAMES = "    auth:\n      client_certificate:\n        names: [ann, bob]\n"

CASES: list[tuple[str, str]] = [
    # where it listens
    ("6080 localhost:5900", whole()),
    (":6080 localhost:5900", whole()),
    ("127.0.0.1:6080 localhost:5900", whole("  - bind: 127.0.0.1:6080\n")),
    ("[::1]:6080 localhost:5900", whole("  - bind: '[::1]:6080'\n")),
    ("::1:6080 localhost:5900", whole("  - bind: '[::1]:6080'\n")),
    ("-6 6080 localhost:5900", whole("  - bind: '[::]:6080'\n")),
    ("-6 127.0.0.1:6080 localhost:5900", whole("  - bind: 127.0.0.1:6080\n")),
    ("--unix-listen gate.sock localhost:5900", whole("  - bind: unix:HERE/gate.sock\n    mode: 0600\n")),
    (
        "--unix-listen /run/gate.sock --unix-listen-mode 660 localhost:5900",
        whole("  - bind: unix:/run/gate.sock\n    mode: 0660\n"),
    ),
    # where it leads
    ("6080 [::1]:5900", whole(rest="    tunnel:\n      to: tcp://[::1]:5900\n")),
    ("6080 ::1:5900", whole(rest="    tunnel:\n      to: tcp://[::1]:5900\n")),
    ("6080 :5900", whole()),
    ("6080 tls://vnc.internal:5900", whole(rest="    tunnel:\n      to: tls://vnc.internal:5900\n")),
    ("6080 unix:/run/x", whole(rest="    tunnel:\n      to: unix:/run/x\n")),
    ("--unix-target vnc.sock 6080", whole(rest="    tunnel:\n      to: unix:HERE/vnc.sock\n")),
    ("--ssl-target 6080 localhost:5900", whole(rest="    tunnel:\n      to: tls://localhost:5900\n")),
    # tokens
    ("--token-plugin TokenFile --token-source tokens 6080", whole(rest=token("file: HERE/tokens"))),
    ("--target-config tokens 6080", whole(rest=token("file: HERE/tokens"))),
    (
        "--target-config tokens --host-token --ssl-target 6080",
        whole(rest="    tunnel:\n      token: {from: host, file: HERE/tokens, scheme: tls}\n"),
    ),
    ("--token-plugin TokenFileName --token-source sockets 6080", whole(rest=token("directory: HERE/sockets"))),
    ("--token-plugin JWTTokenApi --token-source ca.pem 6080", whole(rest=token("jwt: {key: HERE/ca.pem}"))),
    ("--token-plugin JSONTokenApi --token-source http://x/%s 6080", whole(rest=token("url: http://x/{token}"))),
    (
        "--token-plugin TokenRedis --token-source r:7000:1::ns --token-password-file password 6080",
        whole(
            rest=token(
                "redis:",
                "  address: r:7000",
                "  database: 1",
                "  password_file: HERE/password",
                "  prefix: 'ns:'",
            )
        ),
    ),
    (
        "--token-plugin tests.site.tokens.plugins.Plugin --token-source x 6080",
        whole(rest=token("python:", "  call: tests.site.tokens.plugins:Plugin", "  source: x")),
    ),
    # files
    ("--web web 6080 localhost:5900", whole(route=MATCH, rest=TARGET + WEB)),
    ("--web web --file-only 6080 localhost:5900", whole(route=MATCH, rest=TARGET + WEB)),
    # access
    ("--auth-plugin BasicHTTPAuth --auth-source ann:secret 6080 localhost:5900", whole(route=BASIC)),
    (
        "--auth-plugin BasicHTTPAuth --auth-source ann:secret --web web 6080 localhost:5900",
        whole(route=MATCH + BASIC, rest=TARGET + WEB),
    ),
    (
        "--auth-plugin BasicHTTPAuth --auth-source ann:secret --web web --web-auth 6080 localhost:5900",
        whole(route=MATCH + BASIC, rest=TARGET + "  - name: web\n" + BASIC + "    files: {root: HERE/web}\n"),
    ),
    (
        "--auth-plugin ExpectOrigin --auth-source 'http://a https://b:1' 6080 localhost:5900",
        whole(route="    origins:\n      - http://a\n      - https://b:1\n"),
    ),
    (
        "--auth-plugin ClientCertCNAuth --auth-source 'ann bob' --verify-client --cafile ca.pem --cert c.pem "
        "--key c.key 6080 localhost:5900",
        whole(LISTENER + "    tls: {certificate: HERE/c.pem, key: HERE/c.key, client_ca: HERE/ca.pem}\n", route=NAMES),
    ),
    # TLS
    (
        "--cert c.pem --key c.key 6080 localhost:5900",
        whole(LISTENER + "    tls: {certificate: HERE/c.pem, key: HERE/c.key, plaintext: true}\n"),
    ),
    (
        "--cert c.pem --key c.key --key-password-file password --ssl-only --ssl-version tlsv1_3 6080 localhost:5900",
        whole(
            LISTENER + "    tls: {certificate: HERE/c.pem, key: HERE/c.key, password_file: HERE/password, "
            "min_version: TLSv1.3}\n"
        ),
    ),
    (
        "--cert c.pem --key c.key --ssl-only --ssl-version tlsv1_2 --ssl-ciphers ECDHE+AESGCM 6080 localhost:5900",
        whole(
            LISTENER + "    tls: {certificate: HERE/c.pem, key: HERE/c.key, min_version: TLSv1.2, "
            "ciphers: ECDHE+AESGCM}\n"
        ),
    ),
    # the rest
    ("--heartbeat 30 6080 localhost:5900", whole(route="", rest="    heartbeat: {interval: 30s}\n" + TARGET)),
    ("--heartbeat 0 6080 localhost:5900", whole(rest="    heartbeat: off\n" + TARGET)),
    ("--idle-timeout 60 6080 localhost:5900", whole(more="exit_when_idle: 60s\n")),
    ("--idle-timeout 0 6080 localhost:5900", whole()),
    ("--sessions-per-address 1000 6080 localhost:5900", limited("1000")),
    ("--sessions-per-address off 6080 localhost:5900", limited("off")),
    (
        "--record records/vnc 6080 localhost:5900",
        whole(rest=TARGET + "      record: {directory: HERE/records}\n"),
    ),
    ("-v 6080 localhost:5900", whole().replace("format: text", "format: text, level: debug")),
    ("--log-file 'gate log' 6080 localhost:5900", whole().replace("FILE\n", "FILE 2>>'HERE/gate log'\n", 1)),
]


@pytest.mark.parametrize(("arguments", "expected"), CASES, ids=[arguments for arguments, _ in CASES])
def test_what_a_command_line_stands_for(here: Path, arguments: str, expected: str) -> None:
    """And that it is a configuration."""
    text = config(arguments)
    assert text == expected.replace("HERE", str(here))
    assert len(loads(text, "tunnel.yaml").listeners) == 1


README = [
    # websockify 0.13.0's own, its files aside; those that wrap a program are refused (test_flags)
    "80 10.1.1.1:5902",
    "--cert ca.pem --web web :443 --token-plugin TokenRedis --token-source myredis.local:6379 --ssl-only "
    "--ssl-version tlsv1_2",
    # noVNC's utils/novnc_proxy
    "--web web 6080 localhost:5900",
    "--web web --cert ca.pem --key c.key 6080 localhost:5900 --heartbeat 30 --file-only --ssl-only",
    # its manual's forms
    "8787 127.0.0.1:7878",
    "--token-plugin=TokenFile --token-source=tokens 127.0.0.1:6080",
    "--unix-target=vnc.sock 6080",
]


@pytest.mark.parametrize("arguments", README)
def test_command_lines_that_people_have(here: Path, arguments: str) -> None:
    certificate_and_key = (here / "c.pem").read_bytes() + (here / "c.key").read_bytes()
    (here / "ca.pem").write_bytes(certificate_and_key)  # both in one file, as websockify's README makes it
    loads(config(arguments), "tunnel.yaml")


def test_what_a_flag_has_is_no_reference_to_the_environment(here: Path) -> None:
    (here / "${HOME}$").mkdir()
    text = config("--web '${HOME}$' 6080 localhost:5900")
    assert f"root: '{here}/$${{HOME}}$'" in text
    _, web = loads(text, "tunnel.yaml").routes
    assert web.action == Files(root=f"{here}/${{HOME}}$")


def test_self_pem_is_taken_where_it_is(here: Path) -> None:
    (here / "self.pem").write_bytes((here / "c.pem").read_bytes() + (here / "c.key").read_bytes())
    text = config("6080 localhost:5900")
    assert f"    tls: {{certificate: {here}/self.pem, plaintext: true}}\n" in text
    loads(text, "tunnel.yaml")
    assert "plaintext" not in config("--ssl-only 6080 localhost:5900")
    assert f"certificate: {here}/c.pem" in config("--cert c.pem 6080 localhost:5900")


def test_with_client_certificates_nobody_comes_without_tls() -> None:
    assert "plaintext" not in config("--cert c.pem --verify-client --cafile ca.pem 6080 localhost:5900")


def found(*addresses: str) -> Any:
    families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
    rows = [(family, 1, 6, "", (address, 0)) for family, address in zip(families, addresses, strict=True)]
    return lambda *_: rows


@pytest.mark.parametrize(
    ("addresses", "plain", "ipv6"),
    [
        (("fd00::1", "192.0.2.1"), "192.0.2.1:6080", "'[fd00::1]:6080'"),
        (("192.0.2.1",), "192.0.2.1:6080", "192.0.2.1:6080"),
        (("fd00::1",), "'[fd00::1]:6080'", "'[fd00::1]:6080'"),
    ],
)
def test_the_family_of_a_name(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], plain: str, ipv6: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", found(*addresses))
    assert f"bind: {plain}\n" in config("gate.test:6080 x:1")
    assert f"bind: {ipv6}\n" in config("-6 gate.test:6080 x:1")


def test_a_name_that_nobody_knows_is_for_the_listener_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "bind: gate.test:6080\n" in config("gate.test:6080 x:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("http x:1", "[HOST:]PORT: 'http' is not a port"),
        ("127.0.0.1: x:1", "[HOST:]PORT: '' is not a port"),
        ("6080 5900", "the target '5900' is not HOST:PORT: write localhost:5900, say"),
        ("6080 vnc", "the target 'vnc' is not HOST:PORT: write vnc:5900, say"),
        ("6080 vnc:x", "the target 'vnc:x': 'x' is not a port"),
        ("--ssl-target 6080 tcp://x:1", "--ssl-target: 'tcp://x:1' says itself what is spoken to it: write HOST:PORT"),
        ("--unix-listen s --unix-listen-mode rw x:1", "--unix-listen-mode: 'rw' is not octal: write 0660, say"),
        ("--ssl-only 6080 x:1", "--ssl-only needs --cert FILE, or a self.pem in this directory"),
        ("--key c.key 6080 x:1", "--key needs --cert FILE, or a self.pem in this directory"),
        ("--ssl-version tlsv1_2 6080 x:1", "--ssl-version needs --cert FILE, or a self.pem in this directory"),
        ("--ssl-version tlsv1_1 --cert c.pem 6080 x:1", "--ssl-version tlsv1_1: TLS 1.1 is not spoken any more"),
        ("--verify-client --cert c.pem 6080 x:1", "--verify-client needs --cafile FILE: the CA that signs your"),
        ("--token-password-file p 6080 x:1", "--token-password-file is for --token-plugin TokenRedis"),
    ],
)
def test_what_cannot_be_said(arguments: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(arguments)
    assert str(caught.value).startswith(message)


def test_a_password_is_not_shown() -> None:
    text = config("--auth-plugin BasicHTTPAuth --auth-source ann:geheim 6080 x:1")
    assert "geheim" not in text
