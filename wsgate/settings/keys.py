"""The keys of a YAML mapping, derived from the model's dataclasses: names, types, defaults, documentation."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from wsgate.settings.scalar_type import ScalarType, enumeration
from wsgate.settings.scalars import SCALARS


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A configuration key.

    attribute: the field of the dataclass for the value
    type: of the value, without ``None``
    optional: the value may be off
    doc: one line of documentation
    default: ``MISSING`` if the file must have the key
    choice: the key is one of several for the same field: a field whose type is a union of dataclasses has one key per
    class, named like the class in lower case, and the file must have exactly one of them
    secret: nobody is shown the value
    """

    name: str
    attribute: str
    type: Any
    optional: bool
    doc: str
    default: Any
    choice: bool = False
    secret: bool = False

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING and not self.choice


@functools.cache
def keys_of(cls: type) -> dict[str, ConfigKey]:
    """Returns the keys of the mapping for the dataclass ``cls``, in the model's order."""
    hints = get_type_hints(cls, include_extras=True)
    keys: dict[str, ConfigKey] = {}
    for field in dataclasses.fields(cls):
        if not field.metadata.get("is_key", True):
            continue
        hint, optional = _optional(hints[field.name])
        if scalar_type(hint) is None and _is_union(hint):
            for option in get_args(hint):
                doc = (option.__doc__ or "").partition("\n")[0]
                name = option.__name__.lower()
                keys[name] = ConfigKey(name, field.name, option, False, doc, dataclasses.MISSING, choice=True)
        else:
            doc = field.metadata["doc"]
            name = field.name.rstrip("_")  # for reserved words of Python, like from
            keys[name] = ConfigKey(
                name, field.name, hint, optional, doc, field.default, secret=field.metadata["secret"]
            )
    return keys


@functools.cache
def scalar_type(hint: Any) -> ScalarType | None:
    """Returns how a value of this type is written; ``None`` if it is no scalar."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return enumeration(hint)
    return SCALARS.get(hint)


def short_key(hint: Any) -> str | None:
    """Returns the key whose value alone may be written for the mapping; ``None`` if there is none."""
    return getattr(hint, "SHORT", None)


def text_type(hint: Any) -> ScalarType | None:
    """Returns how a value is written as one text, itself or short for a mapping; ``None`` if it cannot be."""
    short = short_key(hint)
    return scalar_type(hint if short is None else keys_of(hint)[short].type)


def item_type(hint: Any) -> Any:
    """Returns ``T`` for ``tuple[T, ...]``, ``None`` for any other type."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def _optional(hint: Any) -> tuple[Any, bool]:
    if _is_union(hint) and types.NoneType in get_args(hint):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return inner, True
    return hint, False


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)
