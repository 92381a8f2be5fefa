"""Values of the configuration about the paths that backends are asked for: prefixes, and paths with placeholders.

Every parser takes the text of one value and returns the model's value. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import re

from wsgate.settings.fixed import OtherProgramsName
from wsgate.text.error import TextError, quote
from wsgate.text.paths import leads_out, normal
from wsgate.text.template import filled
from wsgate.text.url import is_path

_QUERY = "{query}"
_ENCODE = "percent-encode what is not a letter, digit or one of -._~/"

# What other programs write for it
_OTHER_PLACEHOLDERS = re.compile(
    r"(?P<group>[$\\]\{?(?P<number>[1-9])\}?)|(?P<path>\$uri|\$request_uri|\{http\.request\.uri(?:\.path)?\}|\{uri\})"
)


def path_prefix(text: str) -> str:
    """Parses a prefix of the paths that clients ask for."""
    return normal(_prefix(text).encode()).removesuffix("/")


def stripped_prefix(text: str) -> str:
    """Parses a prefix that is removed."""
    prefix = path_prefix(text)
    if not prefix:
        raise TextError(f"{quote(text)} removes nothing, every path begins with it: write a prefix like /chat")
    return prefix


def new_prefix(text: str) -> str:
    """Parses a prefix of the paths that backends are asked for."""
    prefix = _prefix(text)
    if leads_out(prefix.encode()):
        raise TextError(f"{quote(text)} has dot segments: write where they lead, {normal(prefix.encode())}")
    return prefix.removesuffix("/")


def rewrite_target(text: str) -> str:
    """Parses a path with placeholders. Which groups there are, only the route's ``match`` knows."""
    found = _OTHER_PLACEHOLDERS.search(text)
    if found is not None:
        ours = f"{{{found['number']}}}" if found["group"] else "{path}"
        raise OtherProgramsName(f"{quote(text)} has {found[0]}: here it is {ours}")
    if "://" in text:
        raise TextError(f"{quote(text)} is a URL: write the path alone, hosts are in relay.to")
    if not text.startswith(("/", "{path}")):
        raise TextError(f"{quote(text)} does not begin with a slash: write {quote('/' + text)}")
    path = text.removesuffix(_QUERY)
    if any(char in path for char in "?#") or _QUERY in path:
        raise TextError(f"{quote(text)} has a query: remove it, the query of each request is kept")
    if not is_path("/" + filled(path, "")):
        raise TextError(f"{quote(text)}: {_ENCODE}")
    if leads_out(filled(path, "x").encode()):
        raise TextError(f"{quote(text)} has dot segments: write where they lead")
    return path


def _prefix(text: str) -> str:
    if text.startswith("~"):
        raise TextError(f"{quote(text)} is no prefix: for a regular expression write rewrite: {{to: '/{{1}}'}}")
    if not text.startswith("/"):
        raise TextError(f"{quote(text)} does not begin with a slash: write {quote('/' + text)}")
    if text.endswith("*"):
        raise TextError(f"{quote(text)} is no prefix: write {quote(text.rstrip('*').rstrip('/') or '/')}")
    if not is_path(text):
        raise TextError(f"{quote(text)} is not a URL path: {_ENCODE}")
    return text
