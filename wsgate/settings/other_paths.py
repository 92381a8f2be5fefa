"""Recognises paths in the syntax of nginx, Traefik, a shell or a URL, to tell how they are written here."""

from __future__ import annotations

import re

from wsgate.text.error import quote

# nginx's "= /x" and "^~ /x", Traefik's rules, a URL, a regular expression for all below, a prefix without its slash.
_OTHER_PATHS = (
    (re.compile(r"=\s*(/[^\s*]*)"), "'{0}'"),
    (re.compile(r"\^~\s*(/[^\s*]*?)/?"), "'{0}/*'"),
    (re.compile(r"Path\([`'\"](/[^`'\"*]*)[`'\"]\)"), "'{0}'"),
    (re.compile(r"PathPrefix\([`'\"](/[^`'\"*]*?)/?[`'\"]\)"), "'{0}/*'"),
    (re.compile(r"(?:wss?|https?)://[^/?#]*(/[^?#*]*)"), "'{0}', and the host under host"),
    (re.compile(r"(/[A-Za-z0-9._~/-]*)/\.\*\$?"), "'{0}/*'"),
    (re.compile(r"(/[A-Za-z0-9._~/-]*?[^/*])\*"), "'{0}' for this path alone, '{0}/*' for all below it, or '~^{0}'"),
)
# A parameter in a path, as in routers of web frameworks.
_NAME_IN_PATH = re.compile(r"\{[^{}/]*\}")


def path_meant(text: str) -> str | None:
    """Returns what to write for a path in the syntax of another program; ``None`` if it is none."""
    for pattern, cure in _OTHER_PATHS:
        if found := pattern.fullmatch(text):
            return cure.format(found[1])
    if text.startswith("/") and _NAME_IN_PATH.search(text):
        return quote("~^" + _NAME_IN_PATH.sub("[^/]+", text) + "$")
    return None
