"""Rewritten paths: whatever a stranger asks for, nothing leads out of what stands in front of it at the backend."""

from __future__ import annotations

from random import Random
from urllib.parse import unquote_to_bytes

from wsgate.settings.model import Match, ReplacePrefix, Rewrite
from wsgate.settings.path_patterns import path_pattern
from wsgate.settings.rewriting import rewrite_target
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.text.paths import normal
from wsgate.wire.http import Refusal

from .inputs import mutated

_SENT = [b"/", b"//", b"chat", b"%63hat", b".", b"..", b"%2e", b"%2f", b"%5c", b"\\", b";", b"%3b", b"%", b"%25", b"x"]
_SENT += [b"%0d%0a", b"%00", b"\xff", b"2e", b"2F"]
_TO = ["/", "/v/", "{path}", "{rest}", "{1}", "{2}", "x", "/"]
_EXPRESSIONS = ["~()(.*)$", "~/(.)x?(.*)", "~/chat(.*)()", "~/([^/]*)/(.*)"]


def rewrites(random: Random) -> None:
    pattern, rewrite = _route(random)
    path = b"/" + mutated(random, b"".join(random.choices(_SENT, k=random.randrange(9))), 3)
    path = bytes(byte for byte in path if byte > 0x20 and byte not in b"?#\x7f")
    match = Match(path=path_pattern(pattern))
    if not Matcher(match).takes_path(normal(path)):
        return
    target = Rewriter(match, rewrite).target(path + b"?q=/../", "/base")
    if isinstance(target, Refusal):
        return
    found, query = target.split(b"?")
    assert query == b"q=/../"
    assert all(byte > 0x20 and byte != 0x7F for byte in found), found
    segments = [segment.partition(b";")[0] for segment in unquote_to_bytes(found).replace(b"\\", b"/").split(b"/")]
    assert segments[:2] == [b"", b"base"], (path, found)
    assert not {b".", b".."}.intersection(segments), (pattern, rewrite, path, found)


def _route(random: Random) -> tuple[str, Rewrite | None]:
    """Returns the path of a match, and what is made of it. Any of the groups may be in the new path."""
    kind = random.randrange(4)
    if kind == 0:
        return random.choice(("/*", "/chat/*", "/chat")), None
    if kind == 1:
        return "/*", Rewrite(strip="/chat")
    if kind == 2:
        return "/*", Rewrite(replace=ReplacePrefix(prefix="/chat", with_=random.choice(("", "/v2", "/a%2Fb"))))
    text = rewrite_target("/" + "".join(random.choices(_TO, k=random.randrange(4))))
    return random.choice(_EXPRESSIONS), Rewrite(to=text)
