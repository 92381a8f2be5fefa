"""docs/configuration.md has every key, made from the model: ``python -m tests.docs.configuration_page`` writes it.

A mapping that may stand in several places has its section at the shortest path. Headings are
``routes: relay: health``, so that who knows the path knows the anchor: ``#routes-relay-health``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any

from tests.docs.pages import ROOT
from wsgate.settings.keys import ConfigKey, item_type, keys_of, scalar_type, short_key, text_type
from wsgate.settings.model import PAIRS, Settings
from wsgate.settings.schema import default_of

PAGE = ROOT / "docs" / "configuration.md"
BEGIN = "<!-- From here on this page is made from the model: python -m tests.docs.configuration_page -->\n"
GUIDES = {  # the page that explains a mapping and those below it
    "admin": "admin.md",
    "defaults": "routes.md",
    "drain": "operations.md",
    "limits": "access.md",
    "listeners: addresses": "access.md",
    "listeners: tls": "tls.md",
    "log": "log.md",
    "request_id": "headers.md",
    "routes": "routes.md",
    "routes: auth": "access.md",
    "routes: compression": "compression.md",
    "routes: cors": "access.md",
    "routes: files": "files.md",
    "routes: headers": "headers.md",
    "routes: heartbeat": "operations.md",
    "routes: limits": "limits.md",
    "routes: relay": "backends.md",
    "routes: relay: rewrite": "routes.md",
    "routes: relay: tls": "tls.md",
    "routes: tunnel": "tokens.md",
    "routes: tunnel: record": "recording.md",
    "tracing": "tracing.md",
}


def reference() -> str:
    """All sections, each with a table of its keys."""
    places = _places()
    return "\n".join(_section(cls, places) for cls in _in_order(Settings, places))


def with_reference(page: str) -> str:
    """Returns the page with its reference made anew."""
    head, begin, _ = page.partition(BEGIN)
    assert begin, f"{PAGE.name} does not say where the reference begins"
    return f"{head}{begin}\n{reference()}"


def anchor(place: str) -> str:
    """The anchor of a section, as GitHub and the site make it from the heading."""
    return place.replace(": ", "-") or "the-file"


def mappings() -> Iterator[type]:
    """The class of each mapping that a file may have."""
    yield from _places()


def below(key: ConfigKey) -> type | None:
    """The class of the mapping, or of the mappings in the list, that the key takes; ``None`` if it takes none."""
    hint = item_type(key.type) or key.type
    return hint if hint not in PAIRS and scalar_type(hint) is None else None


def _places() -> dict[type, str]:
    """The shortest path to each mapping; of several, the first in the model's order."""
    places: dict[type, str] = {Settings: ""}
    queue: list[type] = [Settings]
    for cls in queue:  # grows on the way
        for key in keys_of(cls).values():
            inner = below(key)
            if inner is not None and inner not in places:
                places[inner] = _path(places[cls], key)
                queue.append(inner)
    return places


def _in_order(cls: type, places: dict[type, str]) -> Iterator[type]:
    """This mapping, then those below it, in the order of its keys."""
    yield cls
    for key in keys_of(cls).values():
        inner = below(key)
        if inner is not None and places[inner] == _path(places[cls], key):
            yield from _in_order(inner, places)


def _path(place: str, key: ConfigKey) -> str:
    return f"{place}: {key.name}" if place else key.name


def _section(cls: type, places: dict[type, str]) -> str:
    place = places[cls]
    lines = [f"## {place or 'The file'}", ""]
    if guide := GUIDES.get(place):
        lines += [f"Explained in [{guide.removesuffix('.md').replace('-', ' ')}]({guide}).", ""]
    if short := short_key(cls):
        lines += [f"The value of `{short}` alone may be written for the mapping.", ""]
    lines += ["| key | value | default | what |", "|---|---|---|---|"]
    for key in keys_of(cls).values():
        cells = [f"`{key.name}`", _value(key, places), _default(key), _prose(key.doc)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _value(key: ConfigKey, places: dict[type, str]) -> str:
    item = item_type(key.type)
    hint = item or key.type
    if hint in PAIRS:
        return "a mapping of names to values"
    if item is None:
        text = _one(hint, places)
    elif text_type(hint) is None:
        text = f"a list, each item {_one(hint, places)}"
    else:
        text = f"{_one(hint, places)}; or a list of such"
    scalar = scalar_type(key.type)
    can_be_off = key.optional and (scalar is None or scalar.can_be_off)
    return f"{text}; or `off`" if can_be_off else text


def _one(hint: Any, places: dict[type, str]) -> str:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    if (scalar := scalar_type(hint)) is not None:
        return _prose(scalar.expected)
    link = f"a [mapping](#{anchor(places[hint])})"
    short = text_type(hint)
    return link if short is None else f"{_prose(short.expected)}; or {link}"


def _default(key: ConfigKey) -> str:
    if key.choice:
        return "one of these is required"
    if key.default is MISSING:
        return "required"
    value = default_of(key)
    if value is None:
        return ""
    words = value if isinstance(value, list) else [value]
    return ", ".join(f"`{str(word).lower() if isinstance(word, bool) else word}`" for word in words)


def _prose(text: str) -> str:
    """Plain text as Markdown: what would be markup is escaped; docstrings' marks for code are Markdown's."""
    return re.sub(r"([<>*_\[\]~{}])", r"\\\1", text).replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text()))
