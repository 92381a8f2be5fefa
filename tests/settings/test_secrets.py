"""What of a configuration is secret: every key of the model is looked at, so that a new one cannot be forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type
from wsgate.settings.load import read
from wsgate.settings.model import PAIRS, Credential, FilePath, KeySet, SecretFile, Settings, TokenUrl
from wsgate.settings.problem import ConfigError
from wsgate.settings.secrets import MASK, MASKS, NO_SUCH_FILE, is_secret_name, mask_field, mask_text
from wsgate.site.build import tried_out
from wsgate.text.error import TextError

SECRET = "S3cr3tS3cr3t"

# Keys that take any text, and whose value is no secret: names, words and texts that clients are told
PUBLIC = {
    "Acme.email",
    *("Basic.realm", "Files.cache_control", "Files.index", "Respond.body"),
    *("Compression.no_compress", "Match.subprotocol", "Tunnel.subprotocols"),
    *("ClientCertificateAuth.names", "Jwt.algorithms", "Jwt.audience", "Jwt.issuer", "Redis.user"),
    *("JwtAuth.algorithms", "JwtAuth.audience", "JwtAuth.issuer", "JwtAuth.require", "JwtAuth.user"),
    "ClientCertificateAuth.subject",
    *("Redis.prefix", "Tracing.service"),
}

# Keys that name a file in which no secret is
PUBLIC_FILES = {
    *("Tls.certificate", "Tls.client_ca", "Certificate.certificate", "BackendTls.certificate", "BackendTls.ca"),
    *("Acme.ca", "Relay.to_file"),
}

# URLs that have the secret where one may have it
CANDIDATES = (
    *(
        f"{scheme}://ann:{SECRET}@h:1{path}"
        for scheme in ("http", "https", "ws", "redis", "redis+sentinel", "tcp")
        for path in ("", "/{token}", "/main")
    ),
    *(f"{scheme}://h:1/x/{{token}}?access_token={SECRET}&a=1" for scheme in ("http", "https")),
    *(f"{scheme}://h:1/x?api_key={SECRET}" for scheme in ("http", "https", "ws", "wss")),
    f"/new{{path}}?sig={SECRET}",
)


def every_key(cls: type = Settings, seen: frozenset[type] = frozenset()) -> Iterator[tuple[str, ConfigKey]]:
    """Yields each key of the model, with the name of its class."""
    for key in keys_of(cls).values():
        yield f"{cls.__name__}.{key.name}", key
        hint = item_type(key.type) or key.type
        if hint not in PAIRS and scalar_type(hint) is None and hint not in seen:
            yield from every_key(hint, seen | {cls})


KEYS = dict(every_key())


def test_the_whole_model_is_looked_at() -> None:
    assert len(KEYS) > 150
    assert {"Basic.users", "Lookup.source", "Token.url", "ToBackend.set"} <= KEYS.keys()


def hint_of(key: ConfigKey) -> Any:
    return item_type(key.type) or key.type


def takes_anything(key: ConfigKey) -> bool:
    scalar = scalar_type(hint_of(key))
    if scalar is None:
        return False
    try:
        scalar.parse(f"{SECRET} {SECRET}")
    except TextError:
        return False
    return not scalar.is_path


def test_a_key_for_any_text_is_secret_or_known_to_be_public() -> None:
    """Whoever adds such a key says which: ``setting(…, secret=True)``, or a line in ``PUBLIC``."""
    assert {name for name, key in KEYS.items() if takes_anything(key) and not key.secret} == PUBLIC


def names_file(key: ConfigKey) -> bool:
    return hint_of(key) in (FilePath, SecretFile, KeySet)


def test_a_key_for_a_file_names_a_secret_or_is_known_to_be_public() -> None:
    assert {name for name, key in KEYS.items() if hint_of(key) is FilePath} == PUBLIC_FILES
    secret = [key for key in KEYS.values() if names_file(key) and hint_of(key) is not FilePath]
    assert all(scalar_type(hint_of(key)).names_secret for key in secret)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "secret", [SECRET, f"{SECRET}/+8cf==", f"/+{SECRET}=", "correct horse", "a.b.c", '{"keys": []}']
)
@pytest.mark.parametrize("key", ["key", "jwks"])
def test_a_secret_in_the_place_of_its_files_path_is_not_shown(secret: str, key: str, tmp_path: Path) -> None:
    """Written where the file's path belongs, it is a file that does not exist."""
    with pytest.raises(ConfigError) as refused:
        checked(tmp_path, key, secret)
    assert f"routes[0].auth.jwt.{key}: {NO_SUCH_FILE}" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "path", ["jwt.key", "keys/jwt.pem", "/run/secrets/jwt", "./jwt", "../keys/jwt", "/etc/wsgate/jwt.key"]
)
def test_what_looks_like_a_path_is_shown(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(tmp_path, "key", path)
    assert f"the file {os.path.normpath(tmp_path / path)!r} does not exist" in str(refused.value)


@pytest.mark.parametrize("name", ["key", "password", "1"])
def test_a_file_that_is_there_may_have_any_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(SECRET * 3)
    checked(tmp_path, "key", name)


@pytest.mark.parametrize("secret", ["-----BEGIN PRIVATE KEY-----", f"{SECRET}\n{SECRET}"])
def test_the_content_of_a_file_is_no_path(secret: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(tmp_path, "key", secret)
    assert "expected a file, found what may be the secret itself: write it into a file" in str(refused.value)
    assert SECRET not in str(refused.value)


def checked(directory: Path, key: str, value: str) -> None:
    """Reads and builds a configuration with a key of ``auth.jwt``. Raises ``ConfigError``."""
    file = directory / "wsgate.yaml"
    jwt = {key: value, "algorithms": ["HS256"], "audience": "a"}
    route = {"name": "a", "relay": {"to": "ws://127.0.0.1:9000"}, "auth": {"jwt": jwt}, "origins": "same-host"}
    file.write_text(json.dumps({"listeners": [{"bind": "127.0.0.1:0"}], "routes": [route]}))
    with tried_out(read(str(file))):
        pass


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if scalar_type(hint_of(key)) is not None])
def test_no_secret_in_a_url_is_shown(name: str) -> None:
    key = KEYS[name]
    scalar, mask = scalar_type(hint_of(key)), MASKS.get(hint_of(key), mask_text)
    assert scalar is not None
    for candidate in CANDIDATES:
        try:
            value = scalar.parse(candidate)
        except TextError:
            continue
        assert key.secret or SECRET not in str(mask(scalar.show(value))), candidate


@pytest.mark.parametrize("hash", [f"{{PLAIN}}{SECRET}", f"$2y$05${SECRET}", f"{{SHA}}{SECRET}"])
def test_of_credentials_the_user_is_shown(hash: str) -> None:
    assert MASKS[Credential](f"ann:{hash}") == f"ann:{MASK}"


def test_every_parameter_of_a_service_may_be_its_secret() -> None:
    assert MASKS[TokenUrl](f"https://h/{{token}}?any={SECRET}&b=1") == f"https://h/{{token}}?any={MASK}&b={MASK}"
    assert MASKS[TokenUrl]("https://h/?token={token}&x") == "https://h/?token={token}&x"


def test_every_kind_of_pair_is_masked_by_its_name() -> None:
    assert {hint_of(key) for key in KEYS.values() if hint_of(key) in PAIRS} <= set(PAIRS)
    assert all(get_args(kind) for kind in PAIRS)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer {user}", MASK),
        ("Proxy-Authorization", "x", MASK),
        ("X-Api-Key", "x", MASK),
        ("apikey", "x", MASK),
        ("Cookie", "a=b", MASK),
        ("Set-Cookie", "a=b", MASK),
        ("X-Access-Token", "x", MASK),
        ("X-Amz-Signature", "x", MASK),
        ("X-Forwarded-Client", "Bearer abc", MASK),
        ("X-Other", "basic YTpi", MASK),
        ("Link", "<https://ann:pw@h/?a=1&token=x&b=2>", f"<https://{MASK}@h/?a=1&token={MASK}&b=2>"),
        ("X-Tenant", "acme", "acme"),
        ("Strict-Transport-Security", "max-age=31536000", "max-age=31536000"),
        ("v", "2", "2"),
    ],
)
def test_fields(name: str, value: str, shown: str) -> None:
    assert mask_field(name, value) == shown


def test_names() -> None:
    assert [name for name in ("room", "v", "X-Trace", "X-Route", "code", "encoding") if is_secret_name(name)] == [
        "code"
    ]
