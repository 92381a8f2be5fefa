# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest

from wsgate.settings import model
from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type
from wsgate.settings.model import setting


@dataclass(frozen=True, kw_only=True)
class Left:
    """Go left.

    A second paragraph is not for the schema.
    """


@dataclass(frozen=True, kw_only=True)
class Right:
    """Go right."""


@dataclass(frozen=True, kw_only=True)
class Example:
    size: model.MessageSize | None = setting("A size.", default=None)
    flag: bool = setting("A flag.", required=True)
    hosts: tuple[model.HostPattern, ...] = setting("Hosts.", default=())
    from_: Left | None = setting("Where from.", default=None)
    turn: Left | Right


def test_a_key_is_read_off_its_field() -> None:
    keys = keys_of(Example)
    assert list(keys) == ["size", "flag", "hosts", "from", "left", "right"]
    assert keys["size"] == ConfigKey("size", "size", model.MessageSize, True, "A size.", None)
    assert keys["flag"] == ConfigKey("flag", "flag", bool, False, "A flag.", dataclasses.MISSING)
    assert keys["hosts"] == ConfigKey("hosts", "hosts", tuple[model.HostPattern, ...], False, "Hosts.", ())
    assert keys["from"] == ConfigKey("from", "from_", Left, True, "Where from.", None)
    assert keys["left"] == ConfigKey("left", "turn", Left, False, "Go left.", dataclasses.MISSING, choice=True)
    assert keys["right"] == ConfigKey("right", "turn", Right, False, "Go right.", dataclasses.MISSING, choice=True)
    assert [name for name in keys if keys[name].required] == ["flag"]


def classes(cls: type) -> list[type]:
    """Every mapping of the model below ``cls``."""
    found = [cls]
    for each in keys_of(cls).values():
        hint = item_type(each.type) or each.type
        if scalar_type(hint) is None and hint not in model.PAIRS:
            found += classes(hint)
    return found


@pytest.mark.parametrize("cls", dict.fromkeys(classes(model.Settings)))
def test_every_field_of_the_model_has_a_syntax_and_a_documentation(cls: type) -> None:
    for each in keys_of(cls).values():
        hint = item_type(each.type) or each.type
        has_syntax = scalar_type(hint) or dataclasses.is_dataclass(hint) or hint in model.PAIRS
        assert has_syntax, f"no row in SCALARS for {cls.__name__}.{each.name}"
        assert each.doc.endswith("."), f"{cls.__name__}.{each.name}"


@pytest.mark.parametrize("cls", dict.fromkeys(classes(model.Settings)))
def test_what_is_said_to_be_required_has_no_default(cls: type) -> None:
    for field in dataclasses.fields(cls):
        assert field.metadata.get("required", True) == (field.default is dataclasses.MISSING), field.name
