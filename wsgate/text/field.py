"""A header field: its name and its value."""

from __future__ import annotations

import re

from wsgate.text.error import TextError, quote
from wsgate.text.token import is_token

# RFC 9110 §5.5: visible characters, and blanks between them
_VALUE = re.compile(r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?|")


def field_name(text: str) -> str:
    """Returns ``text`` if it is the name of a field. Raises ``TextError`` when it is not."""
    if not is_token(text):
        raise TextError("is not the name of a header field: use letters, digits and '-'", quote(text))
    return text


def field_value(text: str) -> str:
    """Returns ``text`` if it is a value, which may be empty. Raises ``TextError`` when it is not."""
    if not _VALUE.fullmatch(text):
        problem = "is not the value of a header field: no line breaks, no blanks around it, ISO 8859-1 only"
        raise TextError(problem, quote(text))
    return text
