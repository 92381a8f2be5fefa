"""Every example in config/ is loaded, and full.yaml is held to its word: every key, each with its default."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from wsgate.settings import model
from wsgate.settings.keys import item_type, keys_of, scalar_type
from wsgate.settings.load import load
from wsgate.settings.model import Files, PathKind, PathPattern, Relay, TcpAddress, Tunnel, UnixAddress, WebSocketUrl
from wsgate.settings.nodes import Mapping, Node, Scalar, Sequence, compose

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted(CONFIG.glob("*.yaml"))


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} >= {"minimal.yaml", "tunnel.yaml", "full.yaml"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads_and_names_its_schema(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(str(path)).routes
    first_line = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first_line == "# yaml-language-server: $schema=./wsgate.schema.json"


def test_minimal() -> None:
    settings = load(str(CONFIG / "minimal.yaml"))
    assert [listener.bind for listener in settings.listeners] == [TcpAddress("127.0.0.1", 8080)]
    assert [route.action for route in settings.routes] == [
        Relay(to=(WebSocketUrl(TcpAddress("127.0.0.1", 9000), None),))
    ]


def test_tunnel() -> None:
    settings = load(str(CONFIG / "tunnel.yaml"))
    assert [(route.name, route.match.path) for route in settings.routes] == [
        ("vnc", PathPattern(PathKind.EXACT, "/websockify")),
        ("mqtt", PathPattern(PathKind.EXACT, "/mqtt")),
        ("console", PathPattern(PathKind.PREFIX, "/console/")),
        ("site", PathPattern(PathKind.PREFIX, "/")),
    ]
    vnc, mqtt, console, site = (route.action for route in settings.routes)
    assert vnc == Tunnel(to=(TcpAddress("127.0.0.1", 5900),))
    assert mqtt == Tunnel(to=(TcpAddress("127.0.0.1", 1883),), subprotocols=("mqtt", "mqttv3.1"))
    assert console == Tunnel(to=(UnixAddress("/run/console.sock"),), text=model.TextFrames.ACCEPT)
    assert site == Files(root=str(CONFIG / "site"))


def given_keys(node: Node, cls: type) -> set[tuple[type, str]]:
    """The keys that a mapping has, and the mappings below it."""
    assert isinstance(node, Mapping)
    found: set[tuple[type, str]] = set()
    for key_node, value in node.pairs():
        assert isinstance(key_node, Scalar)
        key = keys_of(cls)[key_node.text]
        found.add((cls, key.name))
        item = item_type(key.type)
        if scalar_type(item or key.type) is None:
            assert isinstance(value, Sequence | Mapping)
            for below in value.items if isinstance(value, Sequence) else [value]:
                found |= given_keys(below, item or key.type)
    return found


def all_keys(cls: type) -> set[tuple[type, str]]:
    found: set[tuple[type, str]] = set()
    for key in keys_of(cls).values():
        found.add((cls, key.name))
        below = item_type(key.type) or key.type
        if scalar_type(below) is None:
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


def test_full_has_the_defaults() -> None:
    for cls, field, value in values(load(str(CONFIG / "full.yaml"))):
        # A default of "anything" cannot be written down: there is an example instead, and the comment says so.
        if field.default not in (dataclasses.MISSING, None, ()) and not dataclasses.is_dataclass(field.default):
            assert value == field.default, f"{cls.__name__}.{field.name}"
