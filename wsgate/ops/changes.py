"""What differs between two settings, in the words of the file."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from wsgate.settings.model import Action, Files, Relay, Tunnel

_ACTIONS: dict[type[Action], str] = {Relay: "relay", Tunnel: "tunnel", Files: "files"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose value has changed: ``relay.to``. Its values are what the model has."""

    key: str
    before: Any
    now: Any


def differences(before: Any, now: Any, key: str = "") -> Iterator[Difference]:
    """The keys that differ between two mappings of one kind, as deep as both have them."""
    if before == now:
        return
    if type(before) is not type(now) or not is_dataclass(before):
        yield Difference(key, before, now)
        return
    for field in fields(before):
        one, other = getattr(before, field.name), getattr(now, field.name)
        name = _ACTIONS.get(type(other)) or field.name.removesuffix("_")  # an action's key is its kind
        yield from differences(one, other, f"{key}.{name}" if key else name)


def keys(before: Any, now: Any) -> str:
    """The keys that differ, for one line of the log."""
    return ", ".join(difference.key for difference in differences(before, now))


def show(value: Any) -> str:
    """A value much as the file has it."""
    if value is None:
        return "off"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return f"{{{', '.join(f'{f.name}: {show(getattr(value, f.name))}' for f in fields(value))}}}"
    return str(value)
