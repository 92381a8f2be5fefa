from typing import Any

import pytest

from tests.settings.scalars import Refused, assert_refused
from wsgate.settings import model
from wsgate.settings.path_patterns import path_pattern
from wsgate.text.error import TextError

BAD: list[Refused] = [
    (
        model.PathPattern,
        "x",
        "'x' does not begin with / or ~: write '/x' for this path alone, or '/x/*' for all below it",
        True,
    ),
    (model.PathPattern, "*", "'*' is no path: leave path out, or write /* for every path", True),
    (model.PathPattern, "/a?b", "'/a?b' has a query or a fragment: only the path is matched: write '/a'", True),
    (model.PathPattern, "/a#b", "'/a#b' has a query or a fragment: only the path is matched: write '/a'", True),
    (
        model.PathPattern,
        "/a*",
        "'/a*' is not how a path is written: write '/a' for this path alone, '/a/*' for all below it, or '~^/a'",
        True,
    ),
    (
        model.PathPattern,
        "/*/a",
        "'/*/a': * stands only at the end, after a slash, like '/chat/*'; or write a ~regex",
        True,
    ),
    (
        model.PathPattern,
        "/a b",
        "'/a b' is not a URL path: percent-encode what is not a letter, digit or one of -._~/",
        True,
    ),
    (
        model.PathPattern,
        "/100%",
        "'/100%' is not a URL path: percent-encode what is not a letter, digit or one of -._~/",
        False,
    ),
    (model.PathPattern, "~", "there is no regular expression after ~", True),
    (model.PathPattern, "~/a)", "'/a)' is not a regular expression: unbalanced parenthesis at character 3", False),
    (
        model.PathPattern,
        "~[[a]",
        "'[[a]' is not a regular expression to use: Possible nested set at position 1",
        False,
    ),
    (
        model.PathPattern,
        "~a{9999999999}",
        "'a{9999999999}' is not a regular expression to use: the repetition number is too large",
        False,
    ),
]


@pytest.mark.parametrize(("hint", "text", "message", "by_shape"), BAD)
def test_any_other_text_is_an_error_with_a_cure(hint: Any, text: str, message: str, by_shape: bool) -> None:
    assert_refused(hint, text, message, by_shape)


def test_a_regex_that_python_cannot_nest_is_an_error() -> None:
    with pytest.raises(TextError, match="not a regular expression to use"):
        path_pattern("~" + "(" * 5000 + ")" * 5000)
