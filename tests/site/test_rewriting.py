"""What a backend is asked for: by the path in its URL, and by rewrite."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.model import Match, ReplacePrefix, Rewrite
from wsgate.settings.path_patterns import path_pattern
from wsgate.settings.rewriting import new_prefix, path_prefix, rewrite_target, stripped_prefix
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import LEADS_OUT, Prefixes, Rewriter
from wsgate.text.paths import normal
from wsgate.wire.http import Refusal


def strip(prefix: str) -> Rewrite:
    return Rewrite(strip=stripped_prefix(prefix))


def replace(prefix: str, new: str) -> Rewrite:
    return Rewrite(replace=ReplacePrefix(prefix=path_prefix(prefix), with_=new_prefix(new)))


def to(text: str) -> Rewrite:
    return Rewrite(to=rewrite_target(text))


def match(pattern: str | None) -> Match:
    return Match(path=None if pattern is None else path_pattern(pattern))


BASES: list[tuple[str | None, str | None, bytes, bytes]] = [
    # without a base all stays as it is
    (None, None, b"/a?b", b"/a?b"),
    ("/chat/*", None, b"/chat/a?b", b"/chat/a?b"),
    # a prefix: the base stands in its place
    ("/chat/*", "/base", b"/chat/a/b", b"/base/a/b"),
    ("/chat/*", "/base/", b"/chat/a", b"/base/a"),
    ("/chat/*", "/", b"/chat/a", b"/a"),
    ("/chat/*", "/base", b"/chat/", b"/base"),
    ("/chat/*", "/base/", b"/chat/", b"/base/"),
    ("/chat/*", "/base", b"/chat//a", b"/base/a"),
    ("/chat/*", "/base", b"/chat/a%2Bb%2f", b"/base/a%2Bb%2f"),
    # no dot segments behind the base: they would lead out of it
    ("/chat/*", "/base", b"/chat/../chat/a?b", b"/base/a?b"),
    ("/chat/*", "/base", b"/chat/x/%2e%2e/a", b"/base/a"),
    ("/*", "/base", b"/../a", b"/base/a"),
    (None, "/base", b"/x/../../a", b"/base/a"),
    # the prefix is written in another way: what is behind it is found, and stays as it is
    ("/chat/*", "/base", b"/%63hat/a%2Bb", b"/base/a%2Bb"),
    ("/ch%61t/*", "/base", b"/chat/%61", b"/base/%61"),
    ("/chat/*", "/base", b"//chat/a", b"/base/a"),
    ("/chat/*", "/base", b"/x/../chat/%41", b"/base/%41"),
    ("/chat", "/base", b"//%63hat/", b"/base"),
    ("/*", "/base", b"/a", b"/base/a"),
    ("/*", "/base", b"/", b"/base"),
    # no pattern: every path is below the root
    (None, "/base", b"/a", b"/base/a"),
    (None, "/base", b"/", b"/base"),
    # an exact path
    ("/chat", "/base", b"/chat", b"/base"),
    # a regular expression: what it matched is replaced
    ("~/room/[0-9]+", "/base", b"/room/42/x", b"/base/x"),
    ("~/room/[0-9]+", "/base", b"/room/42", b"/base"),
    ("~/room/[0-9]+", "/base", b"/r%6fom/42/%2B", b"/base/%2B"),
    ("~/room/[0-9]+", "/base", b"//room/42/x.%2f/%2B", b"/base/x.%2f/%2B"),
    ("~/room/[0-9]+", "/base", b"/room/42/../43/x", b"/base/x"),
    # the query is the request's
    ("/chat/*", "/base", b"/chat/a?x=/chat/", b"/base/a?x=/chat/"),
    ("/chat/*", "/base", b"/chat/?x", b"/base?x"),
    ("/chat", "/base", b"/chat?", b"/base?"),
    ("~/room", "/base", b"/room?a?b", b"/base?a?b"),
]


@pytest.mark.parametrize(("pattern", "base", "target", "rewritten"), BASES)
def test_a_path_in_the_url(pattern: str | None, base: str | None, target: bytes, rewritten: bytes) -> None:
    assert Matcher(match(pattern)).takes_path(normal(target.partition(b"?")[0]))
    assert Rewriter(match(pattern)).target(target, base) == rewritten


PREFIXES: list[tuple[Rewrite, str | None, bytes, bytes]] = [
    # on the boundaries of segments
    (strip("/chat"), None, b"/chat/room", b"/room"),
    (strip("/chat"), None, b"/chat", b"/"),
    (strip("/chat"), None, b"/chat/", b"/"),
    (strip("/chat/"), None, b"/chat?x=1", b"/?x=1"),
    (strip("/chat"), None, b"/chatter/x", b"/chatter/x"),
    (strip("/chat"), None, b"/other/chat/x", b"/other/chat/x"),
    (strip("/a/b"), None, b"/a/b/c/a/b", b"/c/a/b"),
    # however it is written; what is behind it stays as it came
    (strip("/ch%61t"), None, b"/%63hat/a%2Bb%2f%7e?x=/chat/", b"/a%2Bb%2f%7e?x=/chat/"),
    (strip("/caf%c3%a9"), None, b"/caf\xc3\xa9/\xff", b"/\xff"),
    (strip("/chat"), None, b"//chat/a//b/", b"/a//b/"),
    (strip("/chat"), None, b"/x/../chat/%41", b"/%41"),
    # no second slash at the beginning, which would begin a host
    (strip("/chat"), None, b"/chat//evil.test/x", b"/evil.test/x"),
    (strip("/chat"), None, b"/chat/%2Fevil.test", b"/%2Fevil.test"),
    # a path without the prefix stays as it came
    (strip("/chat"), None, b"/x//%41/../b?q", b"/x//%41/../b?q"),
    # behind the path in the URL
    (strip("/chat"), "/base", b"/chat/a?q", b"/base/a?q"),
    (strip("/chat"), "/base/", b"/chat/a", b"/base/a"),
    (strip("/chat"), "/base", b"/chat", b"/base"),
    (strip("/chat"), "/base/", b"/chat/", b"/base/"),
    (strip("/chat"), "/base", b"/x/../y/%41", b"/base/y/%41"),
    (replace("/old", "/new"), None, b"/old/a", b"/new/a"),
    (replace("/old", "/new/"), None, b"/old", b"/new"),
    (replace("/old", "/new"), None, b"/older", b"/older"),
    (replace("/old", "/v%C3%A9/2"), None, b"/old//a?b", b"/v%C3%A9/2//a?b"),
    (replace("/old", "/"), None, b"/old/a", b"/a"),
    (replace("/", "/v2"), None, b"/a/b", b"/v2/a/b"),
    (replace("/", "/v2"), None, b"/", b"/v2/"),
    (replace("/old", "/new"), "/base", b"/old/a", b"/base/new/a"),
]


@pytest.mark.parametrize(("rewrite", "base", "target", "rewritten"), PREFIXES)
def test_another_prefix(rewrite: Rewrite, base: str | None, target: bytes, rewritten: bytes) -> None:
    assert Rewriter(match("/*"), rewrite).target(target, base) == rewritten


FILLED: list[tuple[str | None, str, str | None, bytes, bytes]] = [
    ("~/d/(?P<room>.*)", "/rooms/{room}", None, b"/d/a/b?x=1", b"/rooms/a/b?x=1"),
    ("~/d/(.*)", "/rooms/{1}", None, b"/d/", b"/rooms/"),
    ("~/d/(?P<room>.*)", "/rooms/{1}/ws", None, b"/d/7", b"/rooms/7/ws"),
    ("~/([a-z]+)/([0-9]+)$", "/{2}/{1}", "/base", b"/room/7", b"/base/7/room"),
    ("~/a/(x)?(.*)", "/b/{1}{2}", None, b"/a/y", b"/b/y"),
    ("~/d(?P<behind>.*)", "{path}", "/base", b"/d/%41", b"/base/d/%41"),
    # as it was sent, whatever the expression has seen
    ("~/d/(?P<room>[^/]+)/(.*)", "/{2}/{room}", None, b"//%64/%c3%a9%2b/a//%2Fb", b"/a//%2Fb/%c3%a9%2b"),
    ("~/d/(.*)", "/{1}", None, b"/d/%0d%0aSet-Cookie:%20x", b"/%0d%0aSet-Cookie:%20x"),
    ("~/d/(.*)", "/{1}", None, b"/d//x", b"/x"),
    ("~/d(/.*)", "/{1}", None, b"/d/evil.test", b"/evil.test"),
    ("/old/*", "/new/{rest}", None, b"/old/a//b?q", b"/new/a//b?q"),
    ("/old/*", "/new/{rest}", None, b"/old/", b"/new/"),
    ("/old/*", "/ws{path}{query}", None, b"/%6fld/../old/x", b"/ws/old/x"),
    ("/old", "/new", "/base", b"/old/", b"/base/new"),
    ("/old", "/", "/base", b"/old", b"/base"),
    (None, "/{rest}/ws", None, b"/a/b", b"/a/b/ws"),
]


@pytest.mark.parametrize(("pattern", "text", "base", "target", "rewritten"), FILLED)
def test_a_path_of_parts(pattern: str | None, text: str, base: str | None, target: bytes, rewritten: bytes) -> None:
    assert Matcher(match(pattern)).takes_path(normal(target.partition(b"?")[0]))
    assert Rewriter(match(pattern), to(text)).target(target, base) == rewritten


@pytest.mark.parametrize(
    ("pattern", "rewrite", "base", "target"),
    [
        ("/chat/*", None, "/base", b"/chat/..%2fadmin"),
        ("/chat/*", None, "/base", b"/chat/x%2F%2e%2E%2fadmin"),
        ("/chat/*", None, "/base", b"/chat/..\\admin"),
        ("/chat/*", None, "/base", b"/chat/..%5Cadmin"),
        ("/chat/*", None, "/base", b"/chat/..;/admin"),
        ("/chat/*", None, "/base", b"/chat/.%2E%3bx/admin"),
        ("~/room/[0-9]+", None, "/base", b"/room/42/..%2f/x"),
        ("/*", strip("/chat"), None, b"/chat/..%2fadmin"),
        ("/*", strip("/chat"), "/base", b"/x%2f..%2f..%2fadmin"),
        ("/*", replace("/old", "/new"), None, b"/x/../old/.;/x"),
        # what is no dot segment in the path can become one behind another beginning
        ("~/d/x(.*)", to("/rooms/{1}"), None, b"/d/x.."),
        ("~/d/x(.*)", to("/rooms/{1}"), None, b"/d/x../x"),
        ("~/d/(.)x(.*)", to("/rooms/{1}{2}"), None, b"/d/%x2e%2e/admin"),
        ("~/d/(.*)", to("/rooms/.{1}"), None, b"/d/"),
        ("~/d/(.*)", to("/rooms/.{1}"), None, b"/d/./x/../."),
    ],
)
def test_a_path_that_leads_out(pattern: str, rewrite: Rewrite | None, base: str | None, target: bytes) -> None:
    assert Rewriter(match(pattern), rewrite).target(target, base) is LEADS_OUT


def test_what_is_not_rewritten_goes_on_as_it_came() -> None:
    assert Rewriter(match("/chat/*")).target(b"/chat/..%2fadmin", None) == b"/chat/..%2fadmin"


@pytest.mark.parametrize(
    ("pattern", "rewrite", "base", "target", "prefixes"),
    [
        ("/chat/*", None, None, b"/chat/a", Prefixes("", "")),
        ("/chat/*", None, "/base/", b"/chat/a", Prefixes("/chat", "/base")),
        ("/chat/*", None, "/", b"/chat/a", Prefixes("/chat", "")),
        (None, None, "/base", b"/chat/a", Prefixes("", "/base")),
        ("/chat", None, "/base", b"/chat", None),
        ("~/chat", None, "/base", b"/chat", None),
        ("~/chat", None, None, b"/chat", Prefixes("", "")),
        ("/*", strip("/chat"), None, b"/%63hat/a?b", Prefixes("/chat", "")),
        ("/*", strip("/chat"), None, b"/a", Prefixes("", "")),
        ("/*", strip("/chat"), "/base", b"/chat/a", Prefixes("/chat", "/base")),
        ("/*", strip("/chat"), "/base", b"/a", Prefixes("", "/base")),
        ("/*", replace("/a", "/b"), "/base", b"/a/x", Prefixes("/a", "/base/b")),
        ("/a/*", to("/b/{rest}"), None, b"/a/x", None),
    ],
)
def test_how_the_beginning_is_changed(
    pattern: str | None, rewrite: Rewrite | None, base: str | None, target: bytes, prefixes: Prefixes | None
) -> None:
    assert Rewriter(match(pattern), rewrite).prefixes(target, base) == prefixes


PATHS = st.lists(
    st.sampled_from(
        [b"/", b"/", b"chat", b"%63hat", b".", b"%2e", b"%2F", b"%5c", b"\\", b";", b"%", b"a", b"%0d", b"\xfc"]
    )
).map(lambda parts: b"/" + b"".join(parts))
WAYS: Any = st.sampled_from(
    [
        ("/chat/*", None),
        ("/*", strip("/chat")),
        ("/*", replace("/chat", "/new/er")),
        ("/chat/*", to("/new/{rest}")),
        ("~/(.)(.*)", to("/new/{2}{1}")),
        ("~/chat(.*)", to("/new/{1}")),
    ]
)


@given(PATHS, WAYS, st.sampled_from(["/base", "/base/"]))
def test_nothing_leads_out_of_the_base(path: bytes, way: tuple[str, Rewrite | None], base: str) -> None:
    """As a server reads it that decodes everything, slashes first."""
    pattern = path_pattern(way[0])
    if not Matcher(Match(path=pattern)).takes_path(normal(path)):
        return
    found = Rewriter(Match(path=pattern), way[1]).target(path + b"?q=../", base)
    if isinstance(found, Refusal):
        assert found is LEADS_OUT
        return
    rewritten, query = found.split(b"?")
    assert query == b"q=../"
    assert not any(byte <= 0x20 or byte == 0x7F for byte in rewritten)
    read = unquote_to_bytes(rewritten).replace(b"\\", b"/").split(b"/")
    assert read[1] == b"base"
    assert not {b".", b".."} & {segment.partition(b";")[0] for segment in read}


@given(PATHS)
def test_a_stripped_path_means_what_it_meant(path: bytes) -> None:
    found = Rewriter(match("/*"), strip("/chat")).target(path, None)
    if isinstance(found, Refusal):
        return
    assert found.startswith(b"/")
    expected = normal(path)
    if expected == "/chat" or expected.startswith("/chat/"):
        assert not found.startswith(b"//")
        assert normal(found) == normal(expected.removeprefix("/chat").encode() or b"/")
    else:
        assert found == path
