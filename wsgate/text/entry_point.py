"""The name of a Python object, written like an entry point of a package: ``package.module:name``."""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote

_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_ENTRY_POINT = re.compile(f"({_DOTTED}):({_DOTTED})", re.ASCII)


def module_and_name(text: str) -> tuple[str, str]:
    """Returns the module and the name in it. Raises ``TextError`` when ``text`` has another form."""
    found = _ENTRY_POINT.fullmatch(text)
    if found is None:
        raise TextError("is no name of a Python object: write package.module:name", quote(text))
    return found[1], found[2]
