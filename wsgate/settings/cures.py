"""What to write instead of a value that is wrong: for the decoder's messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from wsgate.settings.environment import advise_braces, references
from wsgate.settings.fixed import OtherProgramsName
from wsgate.settings.keys import item_type, keys_of, text_type
from wsgate.settings.model import Log, Relay
from wsgate.settings.nodes import Mapping, Node, Scalar
from wsgate.settings.scalar_type import ScalarType
from wsgate.settings.secrets import is_like_path
from wsgate.text.error import TextError, quote

# The texts that mean off, with or without quotes. They all mean false in YAML 1.1, and tools may replace one by
# another.
OFF = tuple(form for word in ("off", "false", "no") for form in (word, word.capitalize(), word.upper()))

# Other programs' texts for it.
LIKE_OFF = re.compile(
    "-1|0+(ms|s|m|h|B|KiB|MiB|GiB)?|never|none|disabled?|unlimited|infinit[ey]|infinity|inf|nil", re.IGNORECASE
)
ON = ("true", "yes", "on")

_PATH = re.compile("/[^/]+/")


def explain(error: TextError, scalar: ScalarType, node: Scalar) -> str:
    """Returns why a text is not a value of its type, and what to write."""
    if node.written is not None:
        shown = references(node.written) if scalar.is_secret else str(node)
        return f"with the environment's value, {shown} does not fit here: expected {scalar.expected}"
    if not scalar.is_secret and (cure := _without_ends(scalar, node.text)):
        return f"{quote(node.text)} has more than its value: write {cure}"
    advice = None if scalar.is_secret or isinstance(error, OtherProgramsName) else advise_braces(node.text)
    if advice is None:
        return str(error)
    shown = "this" if "@" in node.text else quote(node.text)  # a password may be in front of the @
    return f"{shown} does not fit here; {advice}"


def _without_ends(scalar: ScalarType, text: str) -> str | None:
    """Returns the value in a text with a ``;`` or ``,`` behind it, or with blanks or quotes around it, else
    ``None``."""
    bare = text.strip(" \t\"'").rstrip(";, ").strip("\"'")
    if bare == text or not bare:
        return None
    return quote(bare) if _is_value(scalar, bare) else None


def list_meant(item: Any, node: Node) -> str:
    """Returns how to write a list of mappings, for a value that is none."""
    keys = keys_of(item)
    start = next((key.name for key in keys.values() if key.required), next(iter(keys)))
    if isinstance(node, Scalar) and node.kind == "null":
        return f"write at least one item below it, which begins with '- {start}: '"
    if isinstance(node, Mapping) and node.items:
        first = node.items[0]
        name = first.text if isinstance(first, Scalar) else ""
        if name not in keys:
            return f"write what is under {quote(name)} as an item of it, which begins with '- {start}: '"
        if (first.line, first.col) != (node.line, node.col):
            return "put its braces in brackets, like [{" + name + ": …}]"
        return f"write '- ' before its first key, '- {name}: ', and the other keys below that one"
    return f"begin each item with '- '{mapping_meant(item, node)}"


# The keys that are tried first if a value was written instead of a mapping without required keys.
_MEANT_FIRST = ("to", "idle")


def mapping_meant(cls: type, node: Node) -> str:
    """Returns how to write a mapping, for its most important value alone, like ``relay: ws://app:9000``."""
    if not isinstance(node, Scalar) or node.kind in ("null", "bool") or node.is_expanded or node.text in OFF:
        return ""
    name, colon, rest = node.text.partition(":")
    if colon and name in keys_of(cls):
        return f"; write a blank behind the colon: '{name}: {rest}'"
    if node.text in keys_of(cls):
        return f"; write a mapping, like {{{node.text}: …}}"
    keys = sorted(keys_of(cls).values(), key=lambda key: key.name not in _MEANT_FIRST)
    required = [key for key in keys if key.required]
    if is_hidden(cls, node):
        return "; write {file: /the/path}" if any(key.name == "file" for key in required) else ""
    for key in required or keys:
        scalar = text_type(item_type(key.type) or key.type)
        if scalar is None or scalar.is_secret:
            continue
        text = next((text for text in _with_units(node.text) if _is_value(scalar, text)), None)
        if text is None and key.name == "to" and cls is not Log:
            return "; its address belongs under the key to"
        if text is None:
            continue
        like = "" if required or cls is Relay else "it like "
        return f"; write {like}{{{key.name}: {text}}}" if _needs_no_quotes(node) else ""
    return ""


def is_hidden(cls: type, node: Node) -> bool:
    """Whether a value that was written instead of a mapping is not shown, because it may be a secret."""
    if not isinstance(node, Scalar) or node.kind in ("null", "bool") or _PATH.match(node.text):
        return False
    return getattr(cls, "HOLDS_SECRETS", False)


def secret_key(cls: type) -> str | None:
    """Returns the key of a mapping whose value is a secret; ``None`` if there is none."""
    for key in keys_of(cls).values():
        scalar = text_type(item_type(key.type) or key.type)
        if scalar is not None and scalar.is_secret:
            return key.name
    return None


def _with_units(text: str) -> tuple[str, ...]:
    """Returns a text and the values that it may abbreviate."""
    if text.isdecimal():
        return text, f"{text}s", f"ws://127.0.0.1:{text}", f"tcp://127.0.0.1:{text}"
    return text, f"ws://{text}", f"tcp://{text}"


def _is_value(scalar: ScalarType, text: str) -> bool:
    try:
        scalar.parse(text)
    except TextError:
        return False
    return True


def _needs_no_quotes(node: Scalar) -> bool:
    """Whether a text needs no quotes inside braces."""
    return not set(node.text) & set("[]{},#") and ": " not in node.text and len(node.text) <= 80


def show_node(node: Node, scalar: ScalarType) -> str:
    """Returns how messages show a value: not at all if it is a secret."""
    may_be_secret = scalar.names_secret and isinstance(node, Scalar) and not is_like_path(node.text)
    return "this" if scalar.is_secret or may_be_secret else str(node)


def listed(names: Iterable[str]) -> str:
    """Returns names as a message lists them."""
    return ", ".join(names)
