"""websockify's command line: what is taken, and what is answered with what to use instead."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from wsgate.commands.line import UsageError
from wsgate.websockify.flags import Flags, parse

# The defaults of 0.13.0, except for the heartbeat and --cert, which is looked up later
UNSAID: dict[str, Any] = {
    **{field.name: None for field in dataclasses.fields(Flags)},
    **dict.fromkeys(
        ["prefer_ipv6", "ssl_target", "host_token", "web_auth", "file_only", "ssl_only", "verify_client"], False
    ),
    **{"verbose": False, "show_config": False, "idle_timeout": 0, "ssl_version": "default"},
}
USUAL = {"listen": "6080", "target": "localhost:5900"}


def flags(**said: Any) -> Flags:
    return Flags(**{**UNSAID, **said})


def refusal(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("6080 localhost:5900", {}),
        ("-6 6080 localhost:5900", {"prefer_ipv6": True}),
        ("--prefer-ipv6 6080 localhost:5900", {"prefer_ipv6": True}),
        ("--ssl-target 6080 localhost:5900", {"ssl_target": True}),
        ("--web site 6080 localhost:5900", {"web": "site"}),
        ("--web=site 6080 localhost:5900", {"web": "site"}),
        ("6080 --web site localhost:5900", {"web": "site"}),  # flags stand anywhere
        ("6080 localhost:5900 --web site", {"web": "site"}),
        ("--file-only 6080 localhost:5900", {"file_only": True}),
        ("--cert c --key k 6080 localhost:5900", {"cert": "c", "key": "k"}),
        ("--key-password-file p 6080 localhost:5900", {"key_password_file": "p"}),
        ("--token-password-file p 6080 localhost:5900", {"token_password_file": "p"}),
        ("--ssl-only 6080 localhost:5900", {"ssl_only": True}),
        ("--ssl-version tlsv1_3 6080 localhost:5900", {"ssl_version": "tlsv1_3"}),
        ("--ssl-ciphers ALL 6080 localhost:5900", {"ssl_ciphers": "ALL"}),
        ("--verify-client --cafile ca 6080 localhost:5900", {"verify_client": True, "cafile": "ca"}),
        ("--heartbeat 30 6080 localhost:5900", {"heartbeat": 30}),
        ("--heartbeat 0 6080 localhost:5900", {"heartbeat": 0}),
        ("--idle-timeout 60 6080 localhost:5900", {"idle_timeout": 60}),
        ("--record r 6080 localhost:5900", {"record": "r"}),
        ("--sessions-per-address 1000 6080 localhost:5900", {"sessions_per_address": "1000"}),
        ("-v 6080 localhost:5900", {"verbose": True}),
        ("--verbose 6080 localhost:5900", {"verbose": True}),
        ("--log-file l 6080 localhost:5900", {"log_file": "l"}),
        ("--show-config 6080 localhost:5900", {"show_config": True}),
        ("--unix-listen s localhost:5900", {"listen": None, "unix_listen": "s"}),
        (
            "--unix-listen s --unix-listen-mode 660 localhost:5900",
            {"listen": None, "unix_listen": "s", "unix_listen_mode": "660"},
        ),
        ("--unix-target t 6080", {"target": None, "unix_target": "t"}),
        ("--unix-listen s --unix-target t", {"listen": None, "target": None, "unix_listen": "s", "unix_target": "t"}),
        (
            "--token-plugin TokenFile --token-source t 6080",
            {"target": None, "token_plugin": "TokenFile", "token_source": "t"},
        ),
        ("--target-config t 6080", {"target": None, "token_plugin": "TokenFile", "token_source": "t"}),
        (
            "--target-config t --host-token 6080",
            {"target": None, "token_plugin": "TokenFile", "token_source": "t", "host_token": True},
        ),
        (
            "--web w --web-auth --auth-plugin BasicHTTPAuth --auth-source a:b 6080 localhost:5900",
            {"web": "w", "web_auth": True, "auth_plugin": "BasicHTTPAuth", "auth_source": "a:b"},
        ),
    ],
)
def test_what_is_written(arguments: str, said: dict[str, Any]) -> None:
    assert parse(arguments.split()) == flags(**{**USUAL, **said})


@pytest.mark.parametrize(
    ("short", "said"),
    [
        ("--verb", {"verbose": True}),
        ("--p", {"prefer_ipv6": True}),
        ("--f", {"file_only": True}),
        ("--ssl-t", {"ssl_target": True}),
        ("--cer=c", {"cert": "c"}),
        ("--hea=5", {"heartbeat": 5}),
        ("--rec=r", {"record": "r"}),
    ],
)
def test_a_flag_may_be_cut_short_where_no_other_begins_so(short: str, said: dict[str, Any]) -> None:
    assert parse([short, *USUAL.values()]) == flags(**USUAL, **said)


def test_flags_of_ours_make_no_abbreviation_of_websockifys_ambiguous() -> None:
    assert parse(["--token-p", "TokenFile", "--token-s", "t", "80"]).token_plugin == "TokenFile"
    assert refusal("--key-p", "secret", "80", "x:1").startswith("--key-password: ")


@pytest.mark.parametrize(
    ("short", "meant"),
    [
        ("--ssl-v", None),
        ("--ssl-", "--ssl-ciphers or --ssl-only or --ssl-target or --ssl-version"),
        ("--he", "--heartbeat or --help"),
        ("--unix-l", "--unix-listen or --unix-listen-mode"),
    ],
)
def test_what_may_be_several_is_none(short: str, meant: str | None) -> None:
    if meant is None:
        assert parse([short, "tlsv1_3", *USUAL.values()]).ssl_version == "tlsv1_3"
    else:
        assert refusal(short, *USUAL.values()) == f"{short} may be {meant}: write more of it"


@pytest.mark.parametrize(
    ("flag", "cure"),
    [
        ("-D", "systemd"),
        ("--daemon", "nohup"),
        ("-vD", "nohup"),
        ("--daem", "nohup"),
        ("--run-once", "--idle-timeout"),
        ("--timeout=5", r"timeout\(1\)"),
        ("--timeout 5", r"timeout\(1\)"),
        ("--wrap-mode=ignore", "start it yourself"),
        ("--inetd", "--unix-listen"),
        ("--libserver", "leave it out"),
        ("--syslog /dev/log", "logger"),
        ("--legacy-syslog", "logger"),
        ("--traffic", "--record"),
        ("--key-password secret", "--key-password-file"),
    ],
)
def test_flags_without_a_meaning_here(flag: str, cure: str) -> None:
    message = refusal(*flag.split(), *USUAL.values())
    assert re.search(cure, message)
    assert "secret" not in message


@pytest.mark.parametrize("arguments", ["2023 -- telnetd -debug 2023", "5901 --wrap-mode=ignore -- vncserver :1"])
def test_no_program_is_wrapped(arguments: str) -> None:
    assert refusal(*arguments.split()).startswith("-- COMMAND: wsgate starts no program")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "say where to listen: [HOST:]PORT"),
        ("6080", "say where it leads: HOST:PORT, --unix-target FILE, or --token-plugin CLASS"),
        ("--unix-listen s", "say where it leads: HOST:PORT, --unix-target FILE, or --token-plugin CLASS"),
        ("6080 x:1 y:2", "'y:2' is too much: there is a target already"),
        ("6080 --unix-target t y:2", "'y:2' is too much: --unix-target is the target"),
        ("6080 --target-config t y:2", "'y:2' is too much: with --token-plugin the tokens say where they lead"),
        ("--token-source t 6080 x:1", "--token-source needs --token-plugin"),
        ("--host-token 6080 x:1", "--host-token needs --token-plugin"),
        ("--auth-source t 6080 x:1", "--auth-source needs --auth-plugin"),
        ("--web w --web-auth 6080 x:1", "--web-auth needs --auth-plugin"),
        ("--auth-plugin BasicHTTPAuth --web-auth 6080 x:1", "--web-auth needs --web"),
        ("--cafile f 6080 x:1", "--cafile needs --verify-client"),
        ("--unix-listen-mode 660 6080 x:1", "--unix-listen-mode needs --unix-listen"),
        ("--target-config t --token-plugin JWTTokenApi 6080", "--target-config is a --token-plugin itself: leave one"),
        ("--target-config t --unix-target u 6080", "--unix-target and --token-plugin both say where it leads"),
        ("--ssl-target --unix-target u 6080", "--ssl-target: no TLS is spoken to a Unix socket"),
        ("--heartbeat=-1 6080 x:1", "--heartbeat: -1 is less than 0"),
        ("--idle-timeout=-1 6080 x:1", "--idle-timeout: -1 is less than 0"),
        ("--heartbeat soon 6080 x:1", "argument --heartbeat: invalid int value: 'soon'"),
        ("--ssl-version sslv3 6080 x:1", "argument --ssl-version: invalid choice: 'sslv3'"),
        ("--nonsense 6080 x:1", "unrecognized arguments: --nonsense"),
        ("6080 x:1 --web", "argument --web: expected one argument"),
    ],
)
def test_what_means_nothing(arguments: str, message: str) -> None:
    assert refusal(*arguments.split()).startswith(message)


# What `websockify --help` of 0.13.0 lists
WEBSOCKIFYS = """
--auth-plugin --auth-source --cafile --cert --daemon --file-only --heartbeat --help --host-token --idle-timeout --inetd
--key --key-password --legacy-syslog --libserver --log-file --prefer-ipv6 --record --run-once --ssl-ciphers --ssl-only
--ssl-target --ssl-version --syslog --target-config --timeout --token-plugin --token-source --traffic --unix-listen
--unix-listen-mode --unix-target --verbose --verify-client --web --web-auth --wrap-mode
"""


@pytest.mark.parametrize("flag", WEBSOCKIFYS.split())
def test_no_flag_of_websockifys_is_unknown(flag: str) -> None:
    try:
        parse([f"{flag}=value", "6080", "x:1"])
    except UsageError as error:
        assert "unrecognized" not in str(error)  # noqa: PT017 - it may be none


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Every flag that has an effect, and no other."""
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    shown = set(re.findall("--[a-z0-9-]+", capsys.readouterr().out))
    own = {f"--{name.replace('_', '-')}" for name in UNSAID if name not in ("listen", "target")}
    assert shown == own | {"--help", "--target-config"}
