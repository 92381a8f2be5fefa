"""The configuration that is in effect, with every default, as plain data without secrets.

It has the keys of the file. A value from the environment may be a secret, so the text of the file is shown for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type
from wsgate.settings.model import PAIRS, Settings
from wsgate.settings.secrets import MASK, MASKS, mask_field, mask_text

Plain = dict[str, Any]


def effective(settings: Settings) -> Plain:
    """Returns the configuration as JSON has it. What is off, and may be written so, is ``off``; what is left out and
    has no default is not there."""
    shown: Plain = {}
    for _ in show(settings, shown):
        pass
    return shown


def show(settings: Settings, shown: Plain) -> Iterator[None]:
    """Puts the configuration into ``shown``. Yields after each listener and route, for other tasks."""
    written = settings.from_environment
    for key in _keys(Settings):
        value = getattr(settings, key.name)
        if key.item is not None and key.item.mask is None:
            entries = shown[key.name] = []
            for index, each in enumerate(value):
                entries.append(_mapping(each, f"{key.name}[{index}]", written))
                yield
        else:
            _put(shown, key, value, key.name, written)
    yield


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a single value is shown. ``show``: as text or number, ``mask``: a text without secrets; ``None``: it is a
    mapping"""

    show: Callable[[Any], Any] | None
    mask: Callable[[str], str] | None


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of a mapping, looked at once.

    choice: the type of the value, if the key is one of several for it
    is_off: it is ``off`` where there is no value
    pairs: the value is a mapping of any names
    item: of a list; ``None`` if it is none
    """

    name: str
    attribute: str
    choice: type | None
    is_secret: bool
    is_off: bool
    pairs: bool
    item: _Kind | None
    single: _Kind


@functools.cache
def _keys(cls: type) -> tuple[_Key, ...]:
    return tuple(map(_look_at, keys_of(cls).values()))


def _look_at(key: ConfigKey) -> _Key:
    scalar, item = scalar_type(key.type), item_type(key.type)
    return _Key(
        name=key.name,
        attribute=key.attribute,
        choice=key.type if key.choice else None,
        is_secret=key.secret,
        is_off=scalar is None or scalar.can_be_off,
        pairs=item in PAIRS,
        item=None if item is None else _kind(item),
        single=_kind(key.type),
    )


def _kind(hint: Any) -> _Kind:
    scalar = scalar_type(hint)
    return _Kind(None, None) if scalar is None else _Kind(scalar.show, MASKS.get(hint, mask_text))


def _mapping(value: Any, path: str, written: Mapping[str, str]) -> Plain:
    shown: Plain = {}
    cls: type = type(value)
    for key in _keys(cls):
        found = getattr(value, key.attribute)
        if key.choice is None or isinstance(found, key.choice):
            _put(shown, key, found, f"{path}.{key.name}", written)
    return shown


def _put(shown: Plain, key: _Key, value: Any, path: str, written: Mapping[str, str]) -> None:
    """Adds a key, unless there is nothing to show."""
    if value is None:
        if key.is_off:
            shown[key.name] = "off"
    elif value != () and (found := _value(key, value, path, written)) != {}:
        shown[key.name] = found


def _value(key: _Key, value: Any, path: str, written: Mapping[str, str]) -> Any:
    if key.is_secret:
        return MASK
    if key.pairs:
        return {name: mask_field(name, written.get(f"{path}.{name}", text)) for name, text in value}
    item = key.item
    if item is None:
        return _single(key.single, value, path, written)
    if path in written:  # a list of one item, written as the item
        return [_single(item, value[0], path, written)]
    return [_single(item, each, f"{path}[{index}]", written) for index, each in enumerate(value)]


def _single(kind: _Kind, value: Any, path: str, written: Mapping[str, str]) -> Any:
    text = written.get(path)
    if text is not None:
        return (kind.mask or mask_text)(text)
    if kind.show is None or kind.mask is None:
        return _mapping(value, path, written)
    shown = kind.show(value)
    return kind.mask(shown) if isinstance(shown, str) else shown
