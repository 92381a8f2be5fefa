"""What the tests of every parser of single values check: the message, and what JSON Schema says of the same text."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from wsgate.settings.scalar_type import ScalarType
from wsgate.settings.scalars import SCALARS
from wsgate.text.error import TextError

# A row for assert_refused: the type, and the text in the file; the message; whether the schema must refuse it, too
Refused = tuple[Any, str, str, bool]


def json_value(kind: ScalarType, text: str) -> object:
    """What a tool that reads YAML 1.2 hands to the schema."""
    if "bool" in kind.kinds and text in ("true", "false"):
        return text == "true"
    return int(text) if "int" in kind.kinds and text.isascii() and text.isdigit() else text


def schema_accepts(kind: ScalarType, text: str) -> bool:
    return bool(jsonschema.Draft7Validator(kind.schema).is_valid(json_value(kind, text)))


def assert_refused(hint: Any, text: str, message: str, by_shape: bool) -> None:
    """Asserts that the parser of a type refuses a text.

    by_shape: the schema must refuse it, too; else it must not, because patterns cannot say why it is wrong
    """
    with pytest.raises(TextError) as caught:
        SCALARS[hint].parse(text)
    assert str(caught.value) == message
    assert schema_accepts(SCALARS[hint], text) is not by_shape
