"""JSON of answers that may be long, in steps: no session waits for a list of thousands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import trio

STEP = 25  # items of a list between two checkpoints: less than two milliseconds, also of the configuration's routes

_encode = json.JSONEncoder(ensure_ascii=False).encode


async def json_text(content: Mapping[str, Any]) -> str:
    """Returns the JSON of a mapping, in which long lists are values of mappings."""
    members = []
    for name, value in content.items():
        members.append(f"{_encode(name)}: {await _value(value)}")
    return "{" + ", ".join(members) + "}"


async def _value(value: object) -> str:
    if isinstance(value, dict):
        return await json_text(value)
    if not isinstance(value, list):
        return _encode(value)
    pieces = []
    for at in range(0, len(value), STEP):
        if at:
            await trio.lowlevel.checkpoint()
        pieces.append(_encode(value[at : at + STEP])[1:-1])
    return "[" + ", ".join(pieces) + "]"
