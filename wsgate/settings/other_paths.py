"""What somebody meant who wrote a path as nginx, Traefik, a shell or a URL has it."""

from __future__ import annotations

import re

from wsgate.text.error import quote

# nginx's "= /x" and "^~ /x", Traefik's rules, a whole URL, an expression for all below, and a prefix without its slash.
_OTHER_PATHS = (
    (re.compile(r"=\s*(/[^\s*]*)"), "'{0}'"),
    (re.compile(r"\^~\s*(/[^\s*]*?)/?"), "'{0}/*'"),
    (re.compile(r"Path\([`'\"](/[^`'\"*]*)[`'\"]\)"), "'{0}'"),
    (re.compile(r"PathPrefix\([`'\"](/[^`'\"*]*?)/?[`'\"]\)"), "'{0}/*'"),
    (re.compile(r"(?:wss?|https?)://[^/?#]*(/[^?#*]*)"), "'{0}', and the host under host"),
    (re.compile(r"(/[A-Za-z0-9._~/-]*)/\.\*\$?"), "'{0}/*'"),
    (re.compile(r"(/[A-Za-z0-9._~/-]*?[^/*])\*"), "'{0}' for this path alone, '{0}/*' for all below it, or '~^{0}'"),
)
# A place for a name, as routers of applications have it.
_NAME_IN_PATH = re.compile(r"\{[^{}/]*\}")


def path_meant(text: str) -> str | None:
    """What to write for a path as other programs have it; None where it is none."""
    for pattern, cure in _OTHER_PATHS:
        if found := pattern.fullmatch(text):
            return cure.format(found[1])
    if text.startswith("/") and _NAME_IN_PATH.search(text):
        return quote("~^" + _NAME_IN_PATH.sub("[^/]+", text) + "$")
    return None
