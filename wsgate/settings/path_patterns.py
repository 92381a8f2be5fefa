"""``match.path``: the path that a route takes, and what a newcomer may write instead.

``path_pattern`` raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import re
import warnings

from wsgate.settings.model import PathKind, PathPattern
from wsgate.settings.other_paths import path_meant
from wsgate.text.error import TextError, quote
from wsgate.text.paths import normal
from wsgate.text.regexes import why_too_slow
from wsgate.text.url import is_path

# Signs of a regular expression that a path does not have; a group alone is no sign, RFC 3986 allows parentheses.
_REGEX_SIGNS = re.compile(r"^\^|\$$|\.[*+]|\\|\[[^\]]*\]|\|")


def path_pattern(text: str) -> PathPattern:
    """Parses ``/x`` (exact), ``/x/*`` (prefix) or ``~regex``; the first two to their normal form."""
    if text.startswith("~"):
        return _regex(text[1:])
    if text in ("*", "**"):
        raise TextError(f"{quote(text)} is no path: leave path out, or write /* for every path")
    if meant := path_meant(text):
        raise TextError(f"{quote(text)} is not how a path is written: write {meant}")
    if _REGEX_SIGNS.search(text):
        raise TextError(f"{quote(text)} looks like a regular expression: write {quote('~' + text)}")
    if not text.startswith("/"):
        path = "/" + text.rstrip("/*")
        cure = f"{quote(path)} for this path alone, or {quote(path.rstrip('/') + '/*')} for all below it"
        raise TextError(f"{quote(text)} does not begin with / or ~: write {cure}")
    if "?" in text or "#" in text:
        cure = quote(re.split("[?#]", text)[0])
        raise TextError(f"{quote(text)} has a query or a fragment: only the path is matched: write {cure}")
    is_prefix = text.endswith("/*")
    path = text[:-1] if is_prefix else text
    if text.endswith("/**"):
        raise TextError(f"{quote(text)}: /* is all below, as deep as it goes: write {quote(text[:-1])}")
    if "*" in path:
        raise TextError(f"{quote(text)}: * stands only at the end, after a slash, like '/chat/*'; or write a ~regex")
    if not is_path(path):
        raise TextError(f"{quote(text)} is not a URL path: percent-encode what is not a letter, digit or one of -._~/")
    return PathPattern(PathKind.PREFIX if is_prefix else PathKind.EXACT, normal(path.encode()))


def _regex(text: str) -> PathPattern:
    if not text:
        raise TextError("there is no regular expression after ~")
    if text.startswith((" ", "* ", "*^", "*/")):  # as nginx has it
        flag = "(?i)" if text.startswith("*") else ""
        cure = quote("~" + flag + text.removeprefix("*").lstrip())
        raise TextError(f"{quote('~' + text)} is not how a regular expression is written: write {cure}")
    try:
        with warnings.catch_warnings():
            # Python warns of syntax whose meaning may change ("possible nested set"): an error here
            warnings.simplefilter("error")
            re.compile(text)
            why = why_too_slow(text)
    except re.error as error:
        at = f" at character {error.pos + 1}" if error.pos is not None else ""
        raise TextError(f"{quote(text)} is not a regular expression: {error.msg}{at}") from None
    except (RecursionError, OverflowError, Warning) as error:
        raise TextError(f"{quote(text)} is not a regular expression to use: {error}") from None
    if why is not None:
        raise TextError(f"{quote('~' + text)}: {why}")
    return PathPattern(PathKind.REGEX, text)
