"""The differences between two settings, named as in the configuration file."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from wsgate.settings.model import Action, Files, Redirect, Relay, Respond, State, Tunnel

_NOTHING: Mapping[str, str] = {}
_ACTIONS: dict[type[Action], str] = {
    Relay: "relay",
    Tunnel: "tunnel",
    Files: "files",
    Respond: "respond",
    Redirect: "redirect",
    State: "state",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A configuration key whose value has changed, like ``relay.to``, with both values of the model."""

    key: str
    before: Any
    now: Any


def differences(before: Any, now: Any, key: str = "") -> Iterator[Difference]:
    """Yields the configuration keys that differ between two parts of settings, as deep as both have them.

    key: of the parts themselves
    """
    if before == now:
        return
    if type(before) is not type(now) or not is_dataclass(before):
        yield Difference(key, before, now)
        return
    for field in fields(before):
        one, other = getattr(before, field.name), getattr(now, field.name)
        name = _ACTIONS.get(type(other)) or field.name.removesuffix("_")  # the key of an action is its type's
        yield from differences(one, other, f"{key}.{name}" if key else name)


def keys(before: Any, now: Any) -> str:
    """Returns the configuration keys that differ, for one line of the log."""
    return ", ".join(difference.key for difference in differences(before, now))


def show(value: Any, path: str = "", from_environment: Mapping[str, str] = _NOTHING) -> str:
    """Returns a value similar to how the file has it.

    path: of the value
    from_environment: of the settings: text of the file by path, for values from the environment; such a value may be a
    secret, so the text of the file is shown instead
    """
    if path in from_environment:
        return from_environment[path]
    if value is None:
        return "off"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        shown = (show(item, f"{path}[{index}]", from_environment) for index, item in enumerate(value))
        return f"[{', '.join(shown)}]"
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        names = (field.name for field in fields(value))
        shown = (f"{name}: {show(getattr(value, name), f'{path}.{name}', from_environment)}" for name in names)
        return f"{{{', '.join(shown)}}}"
    return str(value)
