"""How the values of a type are written: what a row of ``SCALARS`` has, and the row of each enum."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsgate.text.error import TextError, quote

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScalarType:
    """How the values of a type are written.

    expected: completes the message "expected …"
    schema: accepts every text that ``parse`` accepts, and perhaps more
    kinds: the types that YAML 1.1 may give the text without quotes: other tools must not read a name as a number
    is_secret: no message shows the value
    names_secret: the value is a path; by mistake it may be the secret that belongs into the file
    null_is_meant: null without quotes probably means the word
    show: the inverse of ``parse``, as a value for JSON
    """

    expected: str
    parse: Callable[[str], Any]
    schema: Json
    kinds: frozenset[str] = frozenset({"str"})
    can_be_off: bool = False
    is_path: bool = False
    is_secret: bool = False
    names_secret: bool = False
    null_is_meant: bool = False
    show: Callable[[Any], Any] = str


def enumeration(words: type[enum.Enum]) -> ScalarType:
    """Returns the row of an enum: its values are the words in the file."""
    values: list[str] = [member.value for member in words]
    expected = " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)

    def parse(text: str) -> enum.Enum:
        if text in values:
            return words(text)
        near = difflib.get_close_matches(text.lower(), values, 1)
        cure = f"; did you mean {quote(near[0])}?" if near else ""
        raise TextError(f"expected {expected}, found {quote(text)}{cure}")

    if "off" not in values:
        return ScalarType(expected, parse, {"enum": values}, show=lambda member: member.value)
    kinds = frozenset({"str", "bool"})  # YAML reads off without quotes as a boolean
    return ScalarType(expected, parse, {"enum": [*values, False]}, kinds, show=lambda member: member.value)
