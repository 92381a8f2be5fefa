"""How a field of a settings class says what its key in the file means."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(doc: str, *, default: Any = ..., required: bool = False, secret: bool = False) -> Any:
    """Declares a YAML key with its documentation, one line, and its default. ``secret``: nobody is shown its value"""
    metadata = {"doc": doc, "required": required, "secret": secret}
    if default is ...:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)
