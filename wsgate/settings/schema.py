"""The JSON Schema of the configuration, for editors and other tools that check YAML.

Generated from the same fields and the same table of scalars that the loader reads. It accepts all that the loader
accepts; what takes more than the shape of one value (names that are there twice, directories) only the loader finds.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from wsgate.settings.keys import Key, item_type, keys_of, scalar_type
from wsgate.settings.model import HeaderField, Settings

Json = dict[str, Any]


def schema() -> Json:
    """JSON Schema, draft 7, of a configuration file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "wsgate configuration",
        **_mapping(Settings),
    }


def schema_text() -> str:
    """The schema as the text of config/wsgate.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _mapping(cls: type) -> Json:
    keys = keys_of(cls)
    options = [key.name for key in keys.values() if key.choice]
    result: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _key(key) for key in keys.values()},
    }
    if required := [key.name for key in keys.values() if key.required]:
        result["required"] = required
    if options:
        result["oneOf"] = [{"required": [name]} for name in options]
    return result


def _key(key: Key) -> Json:
    result = {"description": key.doc, **_value(key.type, key.optional)}
    default = _default(key)
    if default is not None:
        result["default"] = default
    return result


def _value(hint: Any, optional: bool = False) -> Json:
    if (scalar := scalar_type(hint)) is not None:
        return {"anyOf": [scalar.schema, {"const": "off"}]} if optional and scalar.can_be_off else scalar.schema
    if (item := item_type(hint)) is HeaderField:
        fields = {"type": ["string", "number", "boolean"]}
        return {"type": "object", "minProperties": 1, "additionalProperties": fields}
    if item is not None:
        items = _value(item)
        if scalar_type(item) is None:
            return {"type": "array", "minItems": 1, "items": items}
        return {"anyOf": [items, {"type": "array", "minItems": 1, "uniqueItems": True, "items": items}]}
    return {"anyOf": [_mapping(hint), {"const": "off"}]} if optional else _mapping(hint)


def _default(key: Key) -> Any:
    """The default as the file would have it; None where there is none, or where the keys below have their own."""
    value = key.default
    scalar = scalar_type(item_type(key.type) or key.type)
    if scalar is None or value is dataclasses.MISSING:
        return None
    if value is None:
        return "off" if scalar.can_be_off else None
    if isinstance(value, tuple):
        return [scalar.show(item) for item in value] or None
    return scalar.show(value)
