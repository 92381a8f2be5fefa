"""The target that a backend is asked for. What decides is the path's normal form, what is sent stays as it came."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wsgate.settings.model import Match, PathKind, PathPattern, ReplacePrefix, Rewrite
from wsgate.text.paths import leads_out, normal, part_as_sent
from wsgate.text.template import split
from wsgate.wire.http import Refusal

LEADS_OUT = Refusal(
    400, "this path leads out of where it begins", detail="it has dot segments beside an encoded slash, \\ or ;"
)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What a path begins with for the client, and what it begins with for the backend; without a slash at the end."""

    here: str
    there: str


# (new path, how its beginning was changed; no prefix: ``None``); ``None`` alone: the path stays
_Change = tuple[bytes, Prefixes | None] | None
_UNCHANGED = Prefixes("", "")


class Rewriter:
    """What a route makes of targets.

    A part of the path that is put behind another beginning has no dot segments, which could lead out of it. A server
    could still find some that are hidden behind an encoded slash: such a path is refused.
    """

    __slots__ = ("_change", "_pattern")

    def __init__(self, match: Match, rewrite: Rewrite | None = None) -> None:
        self._pattern = match.path
        # (path as it was sent, its normal form) -> the new path
        self._change: Callable[[bytes, str], _Change] | None = None
        if rewrite is not None:
            self._change = _changer(match.path, rewrite)

    def target(self, target: bytes, base: str | None) -> bytes | Refusal:
        """Returns the target for a backend whose URL has the path ``base``; the query is kept.

        Without ``rewrite``, ``base`` replaces the part that the route's pattern matches. With it, ``base`` stands in
        front of the new path.
        """
        path, question, query = target.partition(b"?")
        changed = self._changed(path, base)
        if changed is None:
            return target
        new = changed[0]
        if leads_out(new):
            return LEADS_OUT
        if base is not None:
            new = (base.removesuffix("/") if new.startswith(b"/") else base).encode() + new
        return new + question + query

    def prefixes(self, target: bytes, base: str | None) -> Prefixes | None:
        """Returns how the beginning of the path is changed; ``None`` if more than a prefix is."""
        changed = self._changed(target.partition(b"?")[0], base)
        prefixes = _UNCHANGED if changed is None else changed[1]
        return prefixes and Prefixes(prefixes.here, (base or "").removesuffix("/") + prefixes.there)

    def _changed(self, path: bytes, base: str | None) -> _Change:
        """Returns what is behind ``base``, which stands alone if that is a slash alone."""
        if self._change is None:
            return None if base is None else _behind(self._pattern, path, normal(path))
        changed = self._change(path, normal(path))
        if base is None:
            return changed
        new, prefixes = changed or (part_as_sent(path, 0), _UNCHANGED)
        return b"" if new == b"/" else new, prefixes


def _behind(pattern: PathPattern | None, path: bytes, found: str) -> _Change:
    """Returns what is behind the part that the pattern matches."""
    if pattern is None or pattern.kind is PathKind.PREFIX:
        here = "/" if pattern is None else pattern.text
        behind = part_as_sent(path, len(here))
        return b"/" + behind if behind else b"", Prefixes(here.removesuffix("/"), "")
    match = re.match(pattern.text, found) if pattern.kind is PathKind.REGEX else None
    return b"" if match is None else part_as_sent(path, match.end()), None


def _rooted(path: bytes) -> bytes:
    """A path begins with one slash: two would begin a host (RFC 3986 §4.2)."""
    return b"/" + path.lstrip(b"/")


def _changer(pattern: PathPattern | None, rewrite: Rewrite) -> Callable[[bytes, str], _Change]:
    if rewrite.strip is not None:
        return _replace_prefix(ReplacePrefix(prefix=rewrite.strip, with_=""))
    if rewrite.replace is not None:
        return _replace_prefix(rewrite.replace)
    assert rewrite.to is not None
    return _fill(pattern, rewrite.to)


def _replace_prefix(replace: ReplacePrefix) -> Callable[[bytes, str], _Change]:
    prefix, new = replace.prefix, replace.with_
    prefixes = Prefixes(prefix, new)

    def change(path: bytes, found: str) -> _Change:
        if found != prefix and not found.startswith(prefix + "/"):
            return None
        return _rooted(new.encode() + part_as_sent(path, len(prefix))), prefixes

    return change


def _fill(pattern: PathPattern | None, to: str) -> Callable[[bytes, str], _Change]:
    expression = re.compile(pattern.text) if pattern is not None and pattern.kind is PathKind.REGEX else None
    rest = len(pattern.text) if pattern is not None and pattern.kind is PathKind.PREFIX else len("/")
    pieces = split(to)

    def change(path: bytes, found: str) -> _Change:
        match = None if expression is None else expression.match(found)
        filled = [pieces[0].encode()]
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            if name == "path":
                span = 0, len(found)
            elif name == "rest":
                span = rest, len(found)
            else:  # a group that matched nothing is at -1
                span = (0, 0) if match is None else match.span(int(name) if name.isdecimal() else name)
            filled.append(part_as_sent(path, *span) if span[0] >= 0 else b"")
            filled.append(text.encode())
        return _rooted(b"".join(filled)), None

    return change
