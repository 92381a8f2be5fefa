from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from wsgate.settings import model
from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type, short_key
from wsgate.settings.load import loads
from wsgate.settings.nodes import Mapping, Node, Scalar, Sequence, compose
from wsgate.settings.problem import ConfigError
from wsgate.settings.schema import schema, schema_text

CONFIG = Path(__file__).parents[2] / "config"
INVALID = Path(__file__).parent / "invalid"
COMMAND = "wsgate schema > config/wsgate.schema.json"


def plain(node: Node | None) -> Any:
    """The document as an editor's YAML 1.2 reader hands it to a schema."""
    match node:
        case Mapping():
            return {str(plain(key)): plain(value) for key, value in node.pairs()}
        case Sequence():
            return [plain(item) for item in node.items]
        case Scalar(kind="bool", text="true" | "false"):
            return node.text == "true"
        case Scalar(kind="int") if node.text.isdigit():
            return int(node.text)
        case Scalar(kind="null") | None:
            return None
        case Scalar():
            return node.text
    raise AssertionError(node)


def is_valid(path: Path) -> bool:
    document = plain(compose(path.read_text(encoding="utf-8"), path.name))
    return bool(jsonschema.Draft7Validator(schema()).is_valid(document))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_the_committed_schema_is_the_codes() -> None:
    committed = (CONFIG / "wsgate.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), f"config/wsgate.schema.json is out of date; run: {COMMAND}"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    jsonschema.validate(plain(compose(path.read_text(encoding="utf-8"), path.name)), schema())


@pytest.mark.parametrize("path", sorted(INVALID.glob("shape-*.yaml")), ids=lambda path: path.stem)
def test_the_schema_refuses_what_is_wrong_by_shape(path: Path) -> None:
    assert not is_valid(path)


@pytest.mark.parametrize("path", sorted(INVALID.glob("meaning-*.yaml")), ids=lambda path: path.stem)
def test_the_schema_cannot_know_what_is_wrong_by_meaning(path: Path) -> None:
    assert is_valid(path)


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ("{X-A: b, X-Number: 1, X-Float: 0.5, X-Yes: true, X-Empty: ''}", True),
        ("{}", False),
        ("{X-A: }", False),
        ("{X-A: [b]}", False),
        ("{X-A: {b: c}}", False),
        ("['X-A: b']", False),
        ("'X-A: b'", False),
    ],
)
def test_the_schema_has_header_fields_as_the_loader_takes_them(fields: str, valid: bool) -> None:
    text = f"listeners: [{{bind: 'x:1'}}]\nroutes: [{{name: a, files: {{root: /, headers: {fields}}}}}]\n"
    assert bool(jsonschema.Draft7Validator(schema()).is_valid(plain(compose(text, "f")))) is valid
    if valid:
        assert loads(text, "f").routes
    else:
        with pytest.raises(ConfigError):
            loads(text, "f")


def test_the_schema_has_every_key_of_the_model() -> None:
    def compare(cls: type, described: dict[str, Any]) -> int:
        assert described["additionalProperties"] is False
        assert list(described["properties"]) == list(keys_of(cls))
        assert described.get("required", []) == [name for name, key in keys_of(cls).items() if key.required]
        return 1 + sum(descend(key, described["properties"][key.name]) for key in keys_of(cls).values())

    def descend(key: ConfigKey, described: dict[str, Any]) -> int:
        assert described["description"] == key.doc
        item = item_type(key.type)
        if scalar_type(item or key.type) or item in model.PAIRS:
            return 0
        if key.optional:
            *ways, off, reference = described["anyOf"]
            assert [off, reference] == [{"$ref": "#/definitions/off"}, {"$ref": "#/definitions/reference"}]
            described = ways[0] if len(ways) == 1 else {"anyOf": ways}
        if short_key(item or key.type):
            described = described["anyOf"][-1]  # the form that is longer
        if not item:
            return compare(key.type, described)
        items = described["items"]
        return compare(item, items["anyOf"][-1] if short_key(item) else items)

    assert compare(model.Settings, schema()) > 10


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("listeners.[].backlog", 4096),
        ("listeners.[].mode", None),
        ("listeners.[].redirect", None),
        ("listeners.[].tls", None),
        ("listeners.[].tls.min_version", "TLSv1.2"),
        ("listeners.[].tls.client_auth", "required"),
        ("listeners.[].tls.client_ca", None),
        ("trusted_proxies", None),
        ("workers", 1),
        ("limits.sessions", 10000),
        ("limits.handshakes", 64),
        ("defaults.heartbeat", None),
        ("defaults.heartbeat.interval", "20s"),
        ("defaults.timeouts.idle", "off"),
        ("routes.[].heartbeat.timeout", "20s"),
        ("routes.[].on_reload", "keep"),
        ("routes.[].relay.pings", "forward"),
        ("routes.[].relay.tls.verify", True),
        ("drain.delay", "0s"),
        ("drain.grace", "10s"),
        ("drain.code", 1001),
        ("log.format", "json"),
        ("defaults.limits.message", "16MiB"),
        ("routes.[].relay.validate_text", True),
        ("routes.[].tunnel.subprotocols", None),
        ("routes.[].tunnel.strict", True),
        ("limits.head", "16KiB"),
        ("limits.target", "8KiB"),
        ("routes.[].tunnel.to", None),
        ("routes.[].tunnel.token.scheme", "tcp"),
        ("routes.[].tunnel.token.revoke", False),
        ("routes.[].tunnel.token.redis.database", 0),
        ("routes.[].tunnel.record.max_size", "1GiB"),
        ("routes.[].tunnel.proxy_protocol", None),
        ("routes.[].files.index", ["index.html"]),
        ("routes.[].files.cache_control", "no-cache"),
        ("routes.[].files.headers", None),
        ("routes.[].auth", None),
        ("routes.[].auth.basic.realm", "wsgate"),
        ("routes.[].errors", "status"),
        ("exit_when_idle", "off"),
        ("routes.[].match.path", None),
        ("routes.[].match.host", None),
        ("routes.[].name", None),
        ("defaults", None),
    ],
)
def test_defaults_stand_in_the_schema_as_in_the_file(path: str, default: object) -> None:
    described = schema()
    for name in path.split("."):
        if "anyOf" in described:
            described = described["anyOf"][0]
        described = described["items"] if name == "[]" else described["properties"][name]
    assert described.get("default") == default


def test_the_helper_reads_yaml_as_the_schema_sees_it() -> None:
    text = "{a: [true, yes, 12, 0x1, ~, 'true'], 1: off}"
    assert plain(compose(text, "f")) == {"a": [True, "yes", 12, "0x1", None, "true"], "1": "off"}
    with pytest.raises(ConfigError):
        compose("[", "f")
