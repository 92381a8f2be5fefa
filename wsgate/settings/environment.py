"""References to the environment in the text of a value: ``${NAME}`` and ``${NAME:-default}``.

The default stands where NAME is not set, or empty, as in a shell; it may hold references of its own. ``$${`` is a
literal ``${``. A ``$`` before anything else is that character: hashes of passwords are full of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wsgate.text.error import TextError, quote

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
# A default may have pairs of braces in it, like those of {token} or of a regular expression.
_PIECE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?P<body>(?:[^{}]|\{[^{}]*\})*)\}|(?P<open>\$\{)")
_BODY = re.compile(rf"(?P<name>{_NAME})(?::-(?P<default>.*))?", re.DOTALL)
_WITHOUT_BRACES = re.compile(rf"\$({_NAME})")
_SURROGATE = re.compile("[\ud800-\udfff]")

Environment = Mapping[str, str]

# What a text with a reference has in it, for the JSON Schema.
PATTERN = rf"\$\{{{_NAME}(?::-|\}})"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with its references replaced. ``values`` has what came from the environment, by the reference; a default
    did not."""

    text: str
    values: Mapping[str, str]


def expand(text: str, environment: Environment) -> Expansion:
    """The text with the values of the environment in it.

    :raises TextError: for a name that is not set and has no default, and for what is no reference. No message has a
        value of the environment in it.
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
    """The references in a text, without their defaults."""
    bodies = (_BODY.fullmatch(piece["body"]) for piece in _PIECE.finditer(text) if piece["body"])
    return " and ".join(f"${{{body['name']}}}" for body in bodies if body is not None)


def without_braces(text: str, environment: Environment) -> str | None:
    """What to say of a text that is taken as it stands, and has in it what is probably a reference: the name of a value
    that is set, or one in capitals. ``/$metadata`` is none."""
    for found in _WITHOUT_BRACES.finditer(text):
        if found[1] in environment or found[1].isupper():
            return (
                f"${found[1]} is taken as it stands; a value of the environment is written with braces: ${{{found[1]}}}"
            )
    return None


def advise_braces(text: str) -> str | None:
    """What to write where ``$NAME`` has probably been meant as a reference; None where there is none."""
    found = _WITHOUT_BRACES.search(text)
    return None if found is None else f"a value of the environment is written with braces: ${{{found[1]}}}"


class Mask:
    """Puts what the file has in the place of what came from the environment, in messages: a value may be a secret."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def hide(self, texts: Iterable[str], written: str) -> None:
        """From now on, ``written`` is shown for each of these texts."""
        for text in texts:
            if text:
                self._shown[text.casefold()] = written
                # as messages quote it: escaped, and cut where it is long
                self._shown[quote(text)[1:-1].removesuffix("...").casefold()] = written
        self._pattern = None

    def apply(self, message: str) -> str:
        if not self._shown:
            return message
        if self._pattern is None:
            longest_first = sorted(self._shown, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_alternative, longest_first)), re.IGNORECASE)
        return self._pattern.sub(lambda found: self._shown.get(found[0].casefold(), "${…}"), message)


def _alternative(text: str) -> str:
    # A short value is looked for as a word only, and not as the index of a path: else it would be found in any message.
    return re.escape(text) if len(text) > 3 else rf"(?<![\w\[]){re.escape(text)}(?!\w)"
