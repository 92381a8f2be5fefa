"""How long an expression can take: predicted from the expression, and compared with the engine."""

from __future__ import annotations

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate import gate, net, ops, relay, wire
from wsgate import text as text_package
from wsgate.text.regexes import (
    MAX_LENGTH,
    first_characters,
    is_literal,
    literal_beginning,
    matches_to_the_end,
    why_too_slow,
)

GOOD = [
    r"^/room/[0-9]+$",
    r"^/v[0-9]+/(chat|feed)(/.*)?$",
    r"\.(js|css)$",
    r".*\.(css|js)$",
    r"^/(?P<x>[^/]+)/ws$",
    r"^/(?:[^/]+/)*ws$",
    r"^/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$",
    r"^/(?!api/).*",
    r"^/(?!.*\.\.).*$",
    r"^/(chat|chess|feed)/.*",
    r"^/(en|de|es|eo)/x",
    r"^/([a-z0-9-]+\.)+example/ws",
    r"(?i)^/chat/(a|A)+$",
    r"^/(?i:Chat|chess)/(?-i:x)",
    r"^/[\w.-]{1,64}\.(png|jpe?g|js|json)$",
    r"^/.*/ws$",
    r"^/(.*)/(.*)$",
    r"^/[a-z]+(-[a-z]+)*/ws$",
    r"^/(?:%2F|%20|[a-z])+$",
    r"^/(\w|\d)+$",
    r"^/a?b?c?$",
    r"^/x(?:/|$)",
    r"^/[a-z]+?/\Bx\b",
    r"^/(?:(?!foo).)*bar",
    r"^/(?>[a-z]+)[0-9]*+x{0}",
    r"^/api/v\d+/.*(?<=x)$",
    r"^/(?!)",
]

BAD = [
    r"^/(\w+-?)+$",
    r"^/([a-z]+-?)*$",
    r"(a|a)*$",
    r"(a|aa)+$",
    r"(|a)+$",
    r"^/(a|b|ab)*c$",
    r"(.*a){20}",
    r"(a+)+$",
    r"(.*)*$",
    r"(?:a{0,9}){0,9}$",
    r"(a?){50}a{50}",
    r"(.*,){11}P",
    r"^(([a-z])+.)+$",
    r"\d*\d*\d*\d*x",
    r"\w+\d+\w+$",
    r"^/.*/.*/.*/ws$",
    r"(x+x+)+y",
    r"(?:.*?a)*b",
    r"(?:a|a?)+$",
    r"(?>a+)+(?:a|aa)+$",
    r"(\w{1,20}){1,20}$",
    r"((a{1,2}){1,9}){1,9}$",
    r"(?:/[^/]*/?)+$",
    r"^/(%[0-9A-F]{2}|.)+$",
    r"(?=(a+)+$)x",
    r"(?!(a|a)*!)x",
    r"(a(?=.*b))*c",
    r".*(?=.*x)",
    r"[^/]b{0,900}(?!\w*c)!",
    r"((?:){60000}){60000}",
    r"(a*)\1b",
    r"(a)(?(1)b|c)",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_usual_is_good(text: str) -> None:
    re.compile(text)
    assert why_too_slow(text) is None


@pytest.mark.parametrize("text", BAD)
def test_what_can_take_too_long_is_not(text: str) -> None:
    re.compile(text)
    assert why_too_slow(text)


@pytest.mark.parametrize("text", GOOD)
def test_the_good_are_matched_at_once(text: str) -> None:
    """Or else this would not end."""
    expression = re.compile(text)
    for unit in ("a", "/", "a/", "-", "a-", "1", "%2F", "ab", "chat/", "a.", "x", "foo"):
        for begin in ("/", "/v1/chat/", "/room/", "/api/v1/"):
            path = begin + unit * MAX_LENGTH
            for end in ("!", "/", ""):
                expression.match(path[: MAX_LENGTH - len(end)] + end)


ATOMS = st.sampled_from(["a", "b", "/", ".", "[ab]", "[^a]", r"\w", "$", r"\b"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "{2}", "{0,3}", "{0,900}"])).map(
            lambda each: f"(?:{each[0]}){each[1]}"
        ),
        st.tuples(st.sampled_from(["?=", "?!", "?>"]), inner).map(lambda each: f"({each[0]}{each[1]})"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.sampled_from(["$", "!", "x$", ""]), st.text("ab/", min_size=1, max_size=4))
def test_any_that_is_good_ends_soon(text: str, end: str, unit: str) -> None:
    """Or else this would not end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expression = re.compile(text + end)
        if why_too_slow(text + end) is None:
            expression.match((unit * MAX_LENGTH)[: MAX_LENGTH - 1] + "!")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\.(js|css)$", {"."}),
        ("^/chat", {"/"}),
        ("chat", {"c"}),
        ("(?i)a|b+", {"a", "A", "b", "B"}),
        ("a?b", {"a", "b"}),
        ("a*", None),
        ("$", set()),
    ],
)
def test_what_can_come_first(text: str, expected: set[str] | None) -> None:
    assert first_characters(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("^/room/[0-9]+$", "/room/"),
        (r"\A/a\.b", "/a.b"),
        ("/rooms?", "/room"),
        ("/a|/b", "/"),
        ("/ab|/ac", "/a"),
        ("(?:/a)", "/a"),
        ("(/a)", ""),
        ("(?i)/room", ""),
        ("(?i:/r)oom", ""),
        (".*", ""),
        ("a$b", "a"),
    ],
)
def test_how_all_begins(text: str, expected: str) -> None:
    assert literal_beginning(text) == expected


# Labels have few ways each, and the length is bounded before; what is possessive has one way.
BOUNDED = {
    ("wsgate.text.host", "_NAME"),
    ("wsgate.text.host", "_ENDS_IN_A_NUMBER"),
    ("wsgate.gate.client", "_ELEMENT"),
}


def own_expressions() -> Iterator[tuple[str, str, re.Pattern[str] | re.Pattern[bytes]]]:
    for package in (gate, net, ops, relay, wire, text_package):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            try:
                module = importlib.import_module(info.name)
            except ModuleNotFoundError:  # an extra that is not installed
                continue
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and (info.name, name) not in BOUNDED:
                    yield info.name, name, value


def test_our_own_expressions_are_good() -> None:
    """Clients choose the texts that they match."""
    found = list(own_expressions())
    assert len(found) > 20
    for module, name, expression in found:
        text = expression.pattern
        flags = "".join(letter for letter in "isx" if expression.flags & getattr(re, letter.upper()))
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        text = text if text.startswith("(?") or not flags else f"(?{flags}){text}"
        assert why_too_slow(text, "".join(map(chr, range(256)))) is None, (module, name)


@pytest.mark.parametrize(
    ("text", "literal"),
    [("/a/b", True), ("^/a$", True), (r"/a\.b", True), ("/a.", False), ("(?i)/a", False), ("/(a)", False), ("", True)],
)
def test_an_expression_for_one_text(text: str, literal: bool) -> None:
    assert is_literal(text) is literal


@pytest.mark.parametrize(
    ("text", "to_the_end"),
    [
        ("/a$", True),
        (r"/a\Z", True),
        ("/a/.*", True),
        ("/a/(.+)", True),
        ("/a/(?P<b>.*)", True),
        ("/a/(?:b$|c/(.*))", True),
        ("/a$|/b$", True),
        ("", False),
        ("/a", False),
        ("/a/[^/]*", False),
        ("/a/.*?", False),
        ("/a/.{2,9}", False),
        ("/a/(?:b$|c)", False),
        ("/a$|", False),
        ("^", False),
    ],
)
def test_an_expression_that_reaches_the_end(text: str, to_the_end: bool) -> None:
    assert matches_to_the_end(text) is to_the_end
