"""The configuration that is in effect, with every default, as plain data without secrets.

It has the keys of the file. A value from the environment may be a secret, so the text of the file is shown for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type
from wsgate.settings.model import PAIRS, Settings
from wsgate.settings.secrets import MASK, MASKS, mask_field, mask_text

Plain = dict[str, Any]


def effective(settings: Settings) -> Plain:
    """Returns the configuration as JSON has it. What is off, and may be written so, is ``off``; what is left out and
    has no default is not there."""
    return _mapping(settings, "", settings.from_environment)


def _mapping(value: Any, path: str, written: Mapping[str, str]) -> Plain:
    shown: Plain = {}
    cls: type = type(value)
    for key in keys_of(cls).values():
        found = getattr(value, key.attribute)
        if key.choice and not isinstance(found, key.type):
            continue
        if found is None:
            scalar = scalar_type(key.type)
            if scalar is None or scalar.can_be_off:
                shown[key.name] = "off"
        elif found != () and (text := _value(key, found, f"{path}.{key.name}" if path else key.name, written)) != {}:
            shown[key.name] = text
    return shown


def _value(key: ConfigKey, value: Any, path: str, written: Mapping[str, str]) -> Any:
    if key.secret:
        return MASK
    item = item_type(key.type)
    if item in PAIRS:
        return {name: mask_field(name, written.get(f"{path}.{name}", text)) for name, text in value}
    if item is None:
        return _single(key.type, value, path, written)
    if path in written:  # a list of one item, written as the item
        return [_single(item, value[0], path, written)]
    return [_single(item, each, f"{path}[{index}]", written) for index, each in enumerate(value)]


def _single(hint: Any, value: Any, path: str, written: Mapping[str, str]) -> Any:
    mask, text = MASKS.get(hint, mask_text), written.get(path)
    if text is not None:
        return mask(text)
    scalar = scalar_type(hint)
    if scalar is None:
        return _mapping(value, path, written)
    shown = scalar.show(value)
    return mask(shown) if isinstance(shown, str) else shown
