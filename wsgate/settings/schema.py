"""The JSON Schema of the configuration, for editors and other tools that check YAML.

It is generated from the same fields and the same table of scalars that the loader uses. It accepts every file that the
loader accepts. Faults beyond the shape of a single value (duplicate names, directories, the environment) are found only
by the loader.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from wsgate.settings.cures import OFF
from wsgate.settings.environment import PATTERN
from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type, short_key, text_type
from wsgate.settings.model import PAIRS, Settings

Json = dict[str, Any]

_REFERENCE: Json = {"$ref": "#/definitions/reference"}
_OFF: Json = {"$ref": "#/definitions/off"}
_DEFINITIONS: Json = {
    "reference": {
        "description": "A text with values of the environment in it: ${NAME} or ${NAME:-default}.",
        "type": "string",
        "pattern": PATTERN,
        "examples": ["${NAME}", "${NAME:-default}"],
    },
    "off": {
        "description": "off; false and no are read as it, since tools that speak YAML 1.1 write them for it.",
        "enum": ["off", False, *(word for word in OFF if word != "off")],
    },
}


def schema() -> Json:
    """Returns the JSON Schema, draft 7, of a configuration file."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "wsgate configuration",
        **_mapping(Settings),
        "definitions": _DEFINITIONS,
    }


def schema_text() -> str:
    """Returns the schema as the text of config/wsgate.schema.json."""
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


def _key(key: ConfigKey) -> Json:
    result = {"description": key.doc, **_value(key.type, key.optional)}
    default = default_of(key)
    if default is not None:
        result["default"] = default
    return result


def _value(hint: Any, optional: bool = False) -> Json:
    if (scalar := scalar_type(hint)) is not None:
        options = [scalar.schema, _REFERENCE] if _is_narrow(scalar.schema) else [scalar.schema]
        if optional and scalar.can_be_off:
            options.append(_OFF)
        return {"anyOf": options} if len(options) > 1 else scalar.schema
    if (item := item_type(hint)) in PAIRS:
        fields = {"type": ["string", "number", "boolean"]}
        return {"type": "object", "minProperties": 1, "additionalProperties": fields}
    if item is not None:
        items = _value(item)
        if text_type(item) is None:
            return {"type": "array", "minItems": 1, "items": items}
        return {"anyOf": [items, {"type": "array", "minItems": 1, "uniqueItems": True, "items": items}]}
    short = short_key(hint)
    options = [_mapping(hint)] if short is None else [_value(keys_of(hint)[short].type), _mapping(hint)]
    if optional:
        options += [_OFF, _REFERENCE]
    return {"anyOf": options} if len(options) > 1 else options[0]


def _is_narrow(schema: Json) -> bool:
    """Whether a scalar's own schema refuses a text with a reference to the environment."""
    return schema.get("type") != "string" or "pattern" in schema


def default_of(key: ConfigKey) -> Any:
    """Returns the default as the file would have it; ``None`` if there is none, or if the keys below have their own."""
    value = key.default
    scalar = scalar_type(item_type(key.type) or key.type)
    if scalar is None or value is dataclasses.MISSING:
        return None
    if value is None:
        return "off" if scalar.can_be_off else None
    if isinstance(value, tuple):
        return [scalar.show(item) for item in value] or None
    return scalar.show(value)
