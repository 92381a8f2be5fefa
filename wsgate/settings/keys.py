"""The keys of a YAML mapping, read off the model's dataclasses: names, types, defaults, documentation."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from wsgate.settings.scalars import SCALARS, ScalarType, enumeration


@dataclass(frozen=True, slots=True)
class Key:
    """One key. ``default`` is ``MISSING`` where the file must have it.

    ``attribute`` is the field that takes the value. It is ``name``, except for the keys of a choice: a field whose type
    is a union of dataclasses stands for one key per class, in lower case, and the file names exactly one of them.
    """

    name: str
    attribute: str
    type: Any
    optional: bool
    doc: str
    default: Any
    choice: bool = False

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING and not self.choice


@functools.cache
def keys_of(cls: type) -> dict[str, Key]:
    """The keys of the mapping that ``cls`` stands for, in the model's order."""
    hints = get_type_hints(cls, include_extras=True)
    keys: dict[str, Key] = {}
    for field in dataclasses.fields(cls):
        if not field.metadata.get("is_key", True):
            continue
        hint, optional = _optional(hints[field.name])
        if scalar_type(hint) is None and _is_union(hint):
            for option in get_args(hint):
                doc = (option.__doc__ or "").partition("\n")[0]
                name = option.__name__.lower()
                keys[name] = Key(name, field.name, option, False, doc, dataclasses.MISSING, choice=True)
        else:
            doc = field.metadata["doc"]
            name = field.name.rstrip("_")  # what Python keeps for itself, like from
            keys[name] = Key(name, field.name, hint, optional, doc, field.default)
    return keys


@functools.cache
def scalar_type(hint: Any) -> ScalarType | None:
    """How a value of this type is written, if it is a scalar."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return enumeration(hint)
    return SCALARS.get(hint)


def item_type(hint: Any) -> Any:
    """``T`` of ``tuple[T, ...]``, None for any other type."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def _optional(hint: Any) -> tuple[Any, bool]:
    if _is_union(hint) and types.NoneType in get_args(hint):
        (inner,) = (arg for arg in get_args(hint) if arg is not types.NoneType)
        return inner, True
    return hint, False


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)
