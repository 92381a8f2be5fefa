"""Turns the errors of a YAML parser into messages for the writer of a configuration."""

from __future__ import annotations

import re
from typing import Any

import yaml

_UNQUOTED_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]*\]:|\[[0-9A-Fa-f:.]*::[0-9A-Fa-f:.]*\]")
# The text in front of an unexpected bracket, of which the bracket is a part.
_TEXT_BEFORE = re.compile(r"[^\s,\[\]{}'\"]+$")
_TEXT_BEHIND = re.compile(r"[^\s,'\"]*")
_STAR_ALONE = re.compile(r"[\s{-]*(bind|origins):\s*\[?\s*\*(:[0-9]{1,5})?(?=[\s,}\]]|$)")
_INDENTATION = ("expected key", "expected '-' indicator", "expected <block end>")


def explain(error: yaml.YAMLError, mark: Any, lines: list[str]) -> str:
    """Returns the parser's message, or a better one for frequent mistakes. Knows libyaml's and Python's parser.

    mark: where the parser stopped
    lines: of the file
    """
    problem = str(getattr(error, "problem", error))
    line = lines[mark.line]
    if "cannot start any token" in problem or "tab character" in problem:
        first = line[mark.column :][:1]
        if first == "\t":
            return "YAML is indented with spaces; this is a tab"
        return f"a text that begins with {first} must be in quotes"
    if "mapping values are not allowed" in problem:
        return f"{problem}; look at the indentation, and put a text with ': ' in it in quotes"
    start: Any = getattr(error, "context_mark", None)
    if start is None:
        return problem
    context = str(getattr(error, "context", ""))
    began = f"{start.line + 1}:{start.column + 1}"
    if star := _STAR_ALONE.match(lines[start.line]):
        if star[1] == "bind":
            return f"'*' names no address: write 0.0.0.0{star[2] or ''} or '[::]{star[2] or ''}' for all of them"
        return "'*' is not how every page is let in: write any"
    if lines[start.line].startswith("*", start.column):
        return "a text that begins with * must be in quotes, like '*.example.com'"
    if _UNQUOTED_IPV6.search(lines[start.line]):
        return "an address with brackets must be in quotes, like '[::]:8080'"
    if "flow" in context and (found := _bracket_in_text(line, mark.column)):
        return f"within braces or brackets, a text with {found[0]} in it must be in quotes: '{found[1]}'"
    if "stream" in problem and "quoted scalar" in context:
        return f"the quote that begins at {began} has no end"
    opening = lines[start.line][start.column : start.column + 1]
    if opening in ("[", "{") and not "".join([line[mark.column :], *lines[mark.line + 1 :]]).strip():
        return f"the {opening} at {began} has no end"
    if "expected ':'" in problem:
        first = lines[start.line][start.column :].split(maxsplit=1)
        cure = f", like '{first[0]}: …'" if first else ""
        return f"the line that begins at {began} has no ': ' in it: write a key, a colon, a blank and the value{cure}"
    if any(words in problem for words in _INDENTATION):
        return f"{problem} ({context}, which begins at {began}); look at this line's indentation and quotes"
    return f"{problem} ({context}, which begins at {began})"


def _bracket_in_text(line: str, column: int) -> tuple[str, str] | None:
    """Returns an opening bracket at ``column`` inside a text, and that text, like ``~^/[a-z]+$`` or ``${NAME}``."""
    bracket = line[column : column + 1]
    before = _TEXT_BEFORE.search(line, 0, column)
    if bracket not in ("[", "{") or before is None:
        return None
    text = before[0]
    depth = 0
    for char in _TEXT_BEHIND.match(line, column)[0]:  # type: ignore[index]  # it matches anywhere
        depth += (char in "[{") - (char in "]}")
        if depth < 0:  # the bracket closes a list or mapping around the text
            break
        text += char
    return bracket, text
