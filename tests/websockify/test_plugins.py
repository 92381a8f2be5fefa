"""Every plugin of websockify 0.13.0, and the forms that their sources have."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from wsgate.commands.line import UsageError
from wsgate.websockify.flags import parse
from wsgate.websockify.plugins import auth_keys, ssha, token_keys

QUERY = {"from": "query:token"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def token(plugin: str, source: str | None, *more: str) -> dict[str, Any]:
    said = [] if source is None else ["--token-source", source]
    return token_keys(parse(["--token-plugin", plugin, *said, *more, "80"]))


def auth(plugin: str, source: str | None, *more: str) -> dict[str, Any]:
    said = [] if source is None else ["--auth-source", source]
    return auth_keys(parse(["--auth-plugin", plugin, *said, *more, "80", "x:1"]))


@pytest.mark.parametrize("module", ["", "websockify.token_plugins."])
@pytest.mark.parametrize(
    ("plugin", "source", "keys"),
    [
        ("TokenFile", "t", {"file": "{here}/t"}),
        ("ReadOnlyTokenFile", "/etc/t", {"file": "/etc/t"}),
        ("TokenFileName", "t", {"directory": "{here}/t"}),
        ("UnixDomainSocketDirectory", "t", {"directory": "{here}/t"}),
        ("JWTTokenApi", "k.pem", {"jwt": {"key": "{here}/k.pem"}}),
        ("JSONTokenApi", "http://x/%s", {"url": "http://x/{token}"}),
        ("BaseTokenAPI", "https://x/?t=%s&a=%%41", {"url": "https://x/?t={token}&a=%41"}),
        ("TokenRedis", "r", {"redis": {"address": "r:6379"}}),
    ],
)
def test_token_plugins(module: str, plugin: str, source: str, keys: dict[str, Any]) -> None:
    here = os.getcwd()
    expected = {key: value.replace("{here}", here) if isinstance(value, str) else value for key, value in keys.items()}
    if "jwt" in expected:
        expected["jwt"] = {"key": f"{here}/k.pem"}
    assert token(module + plugin, source) == {**QUERY, **expected}


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("r:7000", {"address": "r:7000"}),
        ("r::2", {"address": "r:6379", "database": 2}),
        ("r:7000:1::ns", {"address": "r:7000", "database": 1, "prefix": "ns:"}),
        ("r::::ns", {"address": "r:6379", "prefix": "ns:"}),
        ('r::::"a:b"', {"address": "r:6379", "prefix": "a:b:"}),
        ('"::1":7000', {"address": "[::1]:7000"}),
        ("r::::", {"address": "r:6379"}),
    ],
)
def test_redis(source: str, keys: dict[str, Any]) -> None:
    assert token("TokenRedis", source) == {**QUERY, "redis": keys}


def test_the_password_of_redis_is_in_a_file() -> None:
    for source in ("r:::geheim", "r:6380:1:geheim:ns"):
        with pytest.raises(UsageError, match="--token-password-file") as caught:
            token("TokenRedis", source)
        assert "geheim" not in str(caught.value)
    keys = token("TokenRedis", "r", "--token-password-file", "p")
    assert keys["redis"] == {"address": "r:6379", "password_file": f"{os.getcwd()}/p"}


def test_the_host_as_token() -> None:
    assert token("TokenFile", "/t", "--host-token") == {"from": "host", "file": "/t"}


@pytest.mark.parametrize(
    ("source", "keys"),
    [(None, {"call": "my.tokens:Plugin"}), ("a b", {"call": "my.tokens:Plugin", "source": "a b"})],
)
def test_a_plugin_of_ones_own(source: str | None, keys: dict[str, str]) -> None:
    assert token("my.tokens.Plugin", source) == {**QUERY, "python": keys}


@pytest.mark.parametrize(
    ("plugin", "source", "message"),
    [
        ("Nonsense", "x", "websockify has no 'Nonsense': write one of TokenFile, "),
        ("websockify.token_plugins.Nonsense", "x", "websockify has no 'Nonsense'"),
        ("TokenFile", None, "--token-plugin TokenFile needs --token-source"),
        ("JSONTokenApi", "http://x/", "with %s once"),
        ("JSONTokenApi", "http://x/%s/%s", "with %s once"),
        ("JSONTokenApi", "http://x/%s%20", "%% for a percent sign"),
        ("JSONTokenApi", "http://x/%s%", "%% for a percent sign"),
        ("TokenRedis", "r:1:x", "--token-source: the number of the database is not 'x'"),
        ("TokenRedis", "r:1:2:::6", "host[:port[:db[:password[:namespace]]]]"),
    ],
)
def test_sources_that_are_wrong(plugin: str, source: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        token(plugin, source)
    assert message in str(caught.value)


def test_a_password_file_for_a_plugin_that_has_no_password() -> None:
    with pytest.raises(UsageError, match="is for --token-plugin TokenRedis"):
        token("TokenFile", "t", "--token-password-file", "p")


@pytest.mark.parametrize("module", ["", "websockify.auth_plugins."])
def test_auth_plugins(module: str) -> None:
    assert auth(f"{module}ExpectOrigin", " http://a  https://b:1 ") == {"origins": ["http://a", "https://b:1"]}
    verified = ("--verify-client", "--cafile", "ca")
    keys = auth(f"{module}ClientCertCNAuth", "ann bob", *verified)
    assert keys == {"auth": {"client_certificate": {"names": ["ann", "bob"]}}}
    (user,) = auth(f"{module}BasicHTTPAuth", "ann:a:b")["auth"]["basic"]["users"]
    name, _, stored = user.partition(":")
    assert name == "ann"
    assert verifies("a:b", stored)


def verifies(password: str, stored: str) -> bool:
    data = base64.b64decode(stored.removeprefix("{SSHA}"))
    return hashlib.sha1(password.encode() + data[20:]).digest() == data[:20]


def test_a_password_is_stored_with_a_salt_of_its_own() -> None:
    first, second = ssha("pässword"), ssha("pässword")
    assert first != second
    assert verifies("pässword", first)
    assert verifies("pässword", second)
    assert not verifies("other", first)


@pytest.mark.parametrize(
    ("plugin", "source", "more", "message"),
    [
        (
            "my.Auth",
            "x",
            "",
            "wsgate runs no 'my.Auth': use BasicHTTPAuth, ExpectOrigin, ClientCertCNAuth, or a reverse",
        ),
        ("BasicHTTPAuth", None, "", "--auth-plugin BasicHTTPAuth needs --auth-source"),
        ("ExpectOrigin", " ", "", "--auth-plugin ExpectOrigin needs --auth-source"),
        ("BasicHTTPAuth", "ann", "", "BasicHTTPAuth has user:password"),
        ("BasicHTTPAuth", ":secret", "", "BasicHTTPAuth has user:password"),
        ("ClientCertCNAuth", "ann", "", "needs --verify-client and --cafile"),
        ("ExpectOrigin", "http://a", "--web w --web-auth", "browsers send no Origin for pages"),
    ],
)
def test_auth_that_is_wrong(plugin: str, source: str | None, more: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        auth(plugin, source, *more.split())
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
