"""Every example in config/ is loaded; full.yaml must have every key with its default."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.pki import Authority, encrypt
from tests.settings.checked import load_checked
from wsgate.settings import model
from wsgate.settings.keys import item_type, keys_of, scalar_type, short_key
from wsgate.settings.model import (
    Files,
    Listener,
    ListenerRedirect,
    PathKind,
    PathPattern,
    Relay,
    RelayBackend,
    Target,
    TcpAddress,
    Tls,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.nodes import Mapping, Node, Scalar, Sequence, compose
from wsgate.settings.problem import ConfigError

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(CONFIG.glob("*.yaml"))

# What the examples name that is not in the repository.
PAIRS = ["fullchain.pem", "tls/gate.pem", "tls/chat.pem", "tls/app.pem"]
PASSWORDS = ["tls/gate.password", "tls/app.password"]
AUTHORITIES = ["tls/acme-ca.pem", "tls/clients.pem", "tls/internal.pem"]
DIRECTORIES = ["recordings", "tls/acme", "tokens/sockets"]
FILES = {
    "admin.token": "sesame\n",
    "chat.backends": "ws://127.0.0.1:9003\n",
    "chat.keys": f"meter:{'0' * 64}\n",
    "desktops.py": "class Lookup:\n    def __init__(self, source): ...\n    def lookup(self, token): ...\n",
    "tokens/desktops": "blue: 127.0.0.1:5901\n",
    "tokens/jwks.json": '{"keys": [{"kty": "oct", "k": "c2VzYW1lIHNlc2FtZSBzZXNhbWUgc2VzYW1lIHM"}]}',
    "tokens/redis.password": "sesame\n",
    "users.htpasswd": "admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
}
NOVNC = "/usr/share/novnc"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """config/ as an operator has it, with what it names."""
    directory = tmp_path_factory.mktemp("etc") / "config"
    shutil.copytree(CONFIG, directory)
    for name in DIRECTORIES:
        (directory / name).mkdir(parents=True)
    for name, text in FILES.items():
        (directory / name).write_text(text)
    novnc = directory / "novnc.yaml"
    novnc.write_text(novnc.read_text(encoding="utf-8").replace(NOVNC, str(directory / "site")), encoding="utf-8")
    for file in AUTHORITIES:
        authority = Authority(directory, file.removesuffix(".pem"))
    for file in PAIRS:
        authority.issue("gate.example.com", to=file.removesuffix(".pem"))
    (directory / "fullchain.key").rename(directory / "privkey.pem")
    for file in PASSWORDS:
        encrypt(str((directory / file).with_suffix(".key")), b"sesame")
        (directory / file).write_text("sesame\n")
    key = rsa.generate_private_key(65537, 2048).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (directory / "tokens/jwt.pem").write_bytes(pem)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield directory


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} >= {"minimal.yaml", "tunnel.yaml", "wss.yaml", "full.yaml"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads_and_names_its_schema(
    path: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_checked(str(config / path.name), warn=lambda warning: pytest.fail(str(warning))).routes
    first_line = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first_line == "# yaml-language-server: $schema=./wsgate.schema.json"


@pytest.mark.parametrize("name", ["full.yaml", "wss.yaml"])
def test_an_example_without_its_files_says_which_they_are(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_checked(str(CONFIG / name))
    for problem in caught.value.problems:
        assert problem.message.endswith("does not exist") or problem.path.endswith("python.call")


def test_minimal() -> None:
    settings = load_checked(str(CONFIG / "minimal.yaml"))
    assert [listener.bind for listener in settings.listeners] == [TcpAddress("127.0.0.1", 8080)]
    assert [route.action for route in settings.routes] == [
        Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", 9000), None)),))
    ]


def test_tunnel() -> None:
    settings = load_checked(str(CONFIG / "tunnel.yaml"))
    assert [(route.name, route.match.path) for route in settings.routes] == [
        ("vnc", PathPattern(PathKind.EXACT, "/websockify")),
        ("mqtt", PathPattern(PathKind.EXACT, "/mqtt")),
        ("console", PathPattern(PathKind.PREFIX, "/console/")),
        ("site", PathPattern(PathKind.PREFIX, "/")),
    ]
    vnc, mqtt, console, site = (route.action for route in settings.routes)
    assert vnc == Tunnel(to=(Target(TcpAddress("127.0.0.1", 5900)),))
    assert mqtt == Tunnel(to=(Target(TcpAddress("127.0.0.1", 1883)),), subprotocols=("mqtt", "mqttv3.1"))
    assert console == Tunnel(to=(Target(UnixAddress("/run/console.sock")),), text=model.TextFrames.ACCEPT)
    assert site == Files(root=str(CONFIG / "site"))


def test_wss(config: Path) -> None:
    settings = load_checked(str(config / "wss.yaml"))
    assert settings.listeners == (
        Listener(bind=TcpAddress("0.0.0.0", 80), redirect=ListenerRedirect.HTTPS),
        Listener(
            bind=TcpAddress("0.0.0.0", 443),
            tls=Tls(certificate=str(config / "fullchain.pem"), key=str(config / "privkey.pem")),
        ),
    )
    assert [(str(route.match.path), route.action) for route in settings.routes] == [
        ("/chat/*", Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", 9000), None)),))),
        ("/websockify", Tunnel(to=(Target(TcpAddress("127.0.0.1", 5900)),))),
    ]


def test_novnc(config: Path) -> None:
    settings = load_checked(str(config / "novnc.yaml"))
    desktops, novnc = settings.routes
    assert desktops.errors is model.Errors.CLOSE
    assert isinstance(desktops.action, Tunnel)
    assert desktops.action.token == model.Token(
        from_=(model.Place(model.PlaceKind.PATH),), file=str(config / "desktops.tokens"), revoke=True
    )
    (rule,) = desktops.action.allow
    assert (str(rule.what), rule.first, rule.last) == ("127.0.0.1/32", 5900, 5999)
    assert novnc.action == Files(root=str(config / "site"), index=("vnc.html",))
    assert NOVNC in (CONFIG / "novnc.yaml").read_text(encoding="utf-8")


def test_databases() -> None:
    (route,) = load_checked(str(CONFIG / "databases.yaml")).routes
    assert isinstance(route.action, Tunnel)
    assert route.action.target == model.ClientTarget(from_=(model.Place(model.PlaceKind.QUERY, "address"),))
    assert [(str(rule.what), rule.first, rule.last) for rule in route.action.allow] == [
        ("10.20.0.0/16", 5432, 5432),
        ("*.db.example.com", 5432, 5432),
    ]


def given_keys(node: Node, cls: type) -> set[tuple[type, str]]:
    """The keys that a mapping has, and the mappings below it."""
    if isinstance(node, Scalar):
        return {(cls, str(short_key(cls)))}
    assert isinstance(node, Mapping)
    found: set[tuple[type, str]] = set()
    for key_node, value in node.pairs():
        assert isinstance(key_node, Scalar)
        key = keys_of(cls)[key_node.text]
        found.add((cls, key.name))
        item = item_type(key.type)
        if scalar_type(item or key.type) is None and item not in model.PAIRS:
            for below in value.items if isinstance(value, Sequence) else [value]:
                found |= given_keys(below, item or key.type)
    return found


def all_keys(cls: type) -> set[tuple[type, str]]:
    found: set[tuple[type, str]] = set()
    for key in keys_of(cls).values():
        found.add((cls, key.name))
        below = item_type(key.type) or key.type
        if scalar_type(below) is None and below not in model.PAIRS:
            found |= all_keys(below)
    return found


def test_full_has_every_key() -> None:
    path = CONFIG / "full.yaml"
    root = compose(path.read_text(encoding="utf-8"), path.name)
    assert root is not None
    assert given_keys(root, model.Settings) == all_keys(model.Settings)


def values(node: Any) -> list[tuple[type, dataclasses.Field[Any], Any]]:
    """Every field of a settings object and of those below it."""
    found: list[tuple[type, dataclasses.Field[Any], Any]] = []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        found.append((type(node), field, value))
        for below in value if isinstance(value, tuple) else [value]:
            # Scalars that are dataclasses (addresses) have no documented fields.
            if dataclasses.is_dataclass(below) and any(f.metadata for f in dataclasses.fields(below)):
                found += values(below)
    return found


NEEDED_OTHERWISE = {"Route.http"}  # cors needs forward; another route there has the default


def test_full_has_the_defaults(config: Path) -> None:
    for cls, field, value in values(load_checked(str(config / "full.yaml"))):
        if f"{cls.__name__}.{field.name}" in NEEDED_OTHERWISE:
            continue
        # A default of "anything" cannot be written: there is an example instead, as the comment tells.
        if field.default not in (dataclasses.MISSING, None, ()) and not dataclasses.is_dataclass(field.default):
            assert value == field.default, f"{cls.__name__}.{field.name}"
