"""References to the environment in the text of a value: ``${NAME}`` and ``${NAME:-default}``.

The default is used if NAME is not set or empty, as in a shell; it may contain references too. ``$${`` is a literal
``${``. Any other ``$`` is a literal ``$``, because hashes of passwords contain many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wsgate.text.error import TextError, quote

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
# A default may contain pairs of braces, like {token} or those of a regular expression.
_PIECE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<body>(?:[^{}]|\{[^{}]*\})*)\}|(?P<open>\$\{)")
_BODY = re.compile(rf"(?P<name>{_NAME})(?::-(?P<default>.*))?", re.DOTALL)
_WITHOUT_BRACES = re.compile(rf"\$({_NAME})")
_SURROGATE = re.compile("[\ud800-\udfff]")

Environment = Mapping[str, str]

# Matches in every text that has a reference; for the JSON Schema.
PATTERN = rf"\$\{{{_NAME}(?::-|\}})"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with its references replaced.

    values: the values from the environment, by reference; defaults are not among them
    """

    text: str
    values: Mapping[str, str]


def expand(text: str, environment: Environment) -> Expansion:
    """Replaces the references in a text.

    Raises ``TextError`` when a name is not set and has no default, or when a reference is malformed. No message
    contains a value of the environment.
    """
    values: dict[str, str] = {}
    pieces: list[str] = []
    end = 0
    for piece in _PIECE.finditer(text):
        pieces.append(text[end : piece.start()])
        end = piece.end()
        if piece["escape"]:
            pieces.append("${")
            continue
        found = _value(piece, environment)
        pieces.append(found.text)
        values.update(found.values)
    pieces.append(text[end:])
    return Expansion("".join(pieces), values)


def _value(piece: re.Match[str], environment: Environment) -> Expansion:
    if piece["open"]:
        raise TextError("${ has no } behind it: write ${NAME} or ${NAME:-default}, or $${ for a literal ${")
    body = _BODY.fullmatch(piece["body"])
    if body is None:
        raise TextError(
            f"{quote(piece[0])} is no reference to the environment: write ${{NAME}} or ${{NAME:-default}}, "
            "or $${ for a literal ${"
        )
    name = body["name"]
    value = environment.get(name, "")
    if value == "" and body["default"] is not None:
        return expand(body["default"], environment)
    if name not in environment:
        raise TextError(f"{name} is not set in the environment: set it, or write a default, ${{{name}:-default}}")
    if _SURROGATE.search(value):
        raise TextError(f"the value of {name} in the environment is not UTF-8")
    return Expansion(value, {piece[0]: value})


def references(text: str) -> str:
    """Returns the references in a text, without their defaults, for a message."""
    bodies = (_BODY.fullmatch(piece["body"]) for piece in _PIECE.finditer(text) if piece["body"])
    return " and ".join(f"${{{body['name']}}}" for body in bodies if body is not None)


def without_braces(text: str, environment: Environment) -> str | None:
    """Returns a warning if a text contains ``$NAME`` that was probably meant as a reference; ``None`` otherwise.

    That is so if NAME is set in the environment or in capitals. ``/$metadata`` gets no warning.
    """
    for found in _WITHOUT_BRACES.finditer(text):
        if found[1] in environment or found[1].isupper():
            return (
                f"${found[1]} is taken as it stands; a value of the environment is written with braces: ${{{found[1]}}}"
            )
    return None


def advise_braces(text: str) -> str | None:
    """Returns what to write instead of the first ``$NAME`` in a text; ``None`` if it has none."""
    found = _WITHOUT_BRACES.search(text)
    return None if found is None else f"a value of the environment is written with braces: ${{{found[1]}}}"


class Mask:
    """Replaces values of the environment in messages by the text of the file, because a value may be a secret."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def hide(self, texts: Iterable[str], written: str) -> None:
        """From now on, messages show ``written`` instead of each of these texts."""
        for text in texts:
            if text:
                self._shown[text.casefold()] = written
                # also in the quoted form of messages: escaped, and cut if it is long
                self._shown[quote(text)[1:-1].removesuffix("...").casefold()] = written
        self._pattern = None

    def replace(self, message: str, by: str) -> None:
        """From now on, ``by`` stands in the place of exactly this message, or of this part of one."""
        self._shown[message.casefold()] = by
        self._pattern = None

    def apply(self, message: str) -> str:
        """Returns the message with all of these texts replaced."""
        if not self._shown:
            return message
        if self._pattern is None:
            longest_first = sorted(self._shown, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_alternative, longest_first)), re.IGNORECASE)
        return self._pattern.sub(lambda found: self._shown.get(found[0].casefold(), "${…}"), message)


def _alternative(text: str) -> str:
    # A short value is replaced only as a word of its own, and not as an index in a path, or it would match everywhere.
    return re.escape(text) if len(text) > 3 else rf"(?<![\w\[]){re.escape(text)}(?!\w)"
