"""The keys and words that docs/from-nginx.md names are those of the model."""

from __future__ import annotations

import enum
import re
from typing import Any

import pytest

from tests.docs.configuration_page import below, mappings
from tests.docs.pages import ROOT, table
from wsgate.settings.keys import item_type, keys_of
from wsgate.settings.model import Listener, Route, Settings

PAGE = ROOT / "docs" / "from-nginx.md"


def named() -> list[str]:
    """What the second columns have in code, but commands, values and mappings."""
    cells = [row[1] for first in ("nginx", "HAProxy") for row in table(PAGE, first)]
    words = {word for cell in cells for word in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", cell)}
    return sorted(words)


def known() -> set[str]:
    """Every key, and every word that a value may be."""
    found: set[str] = set()
    for cls in mappings():
        for key in keys_of(cls).values():
            found.add(key.name)
            hint: Any = item_type(key.type) or key.type
            if isinstance(hint, type) and issubclass(hint, enum.Enum):
                found |= {str(member.value) for member in hint}
    return found


def leads_somewhere(path: str, start: type) -> bool:
    cls: type | None = start
    for name in path.split("."):
        key = keys_of(cls).get(name) if cls is not None else None
        if key is None:
            return False
        cls = below(key)
    return True


@pytest.mark.parametrize("name", named())
def test_what_is_named_is_there(name: str) -> None:
    if "." in name:
        assert any(leads_somewhere(name, start) for start in (Settings, Listener, Route))
    else:
        assert name in known()
