from typing import Any

import pytest

from tests.settings.scalars import Refused, assert_refused
from wsgate.settings import model

BAD: list[Refused] = [
    (bool, "yes", "expected true or false, found 'yes': write true", True),
    (model.UrlPath, "healthz", "'healthz' is not a URL path: write one like /healthz, without a query", True),
    (bool, "True", "expected true or false, found 'True': write true", True),
    *(
        (
            model.FileName,
            name,
            f"{name!r} is not the name of a file: write one without a slash, like index.html",
            by_shape,
        )
        for name, by_shape in [("", True), ("a/b", True), ("..", False), (".", False), ("a\0b", False)]
    ),
    (model.FileOrDirectory, "", "expected a file, found ''", True),
    (model.Text, "", "the text is empty: write one, or remove the key", True),
    (model.Text, "a\nb", "expected a text in one line", False),
    (model.RouteName, "", "'' is not a route name: use letters, digits, '.', '_' and '-'", True),
    (model.RouteName, "a b", "'a b' is not a route name: use letters, digits, '.', '_' and '-'", True),
    (model.RouteName, "é", "'é' is not a route name: use letters, digits, '.', '_' and '-'", True),
    (model.Subprotocol, "", "'' is not a subprotocol: no quotes, line breaks or blanks around it", True),
    (model.Subprotocol, 'a"b', "'a\"b' is not a subprotocol: no quotes, line breaks or blanks around it", True),
    (model.Subprotocol, " a", "' a' is not a subprotocol: no quotes, line breaks or blanks around it", True),
    (model.Subprotocol, "a\tb\n", r"'a\tb\n' is not a subprotocol: no quotes, line breaks or blanks around it", True),
    (model.Subprotocol, "a,b", "'a,b' has a comma in it: write a list in brackets, like [a, b]", True),
    (model.Directory, "", "expected a directory, found ''", True),
    (model.Directory, "a\0b", r"expected a directory, found 'a\x00b'", False),
    (model.FilePath, "", "expected a file, found ''", True),
    (model.FilePath, "a\0b", r"expected a file, found 'a\x00b'", False),
    (model.SecretFile, "", "expected a file, found ''", True),
    (model.Ciphers, "", "'' is not a list of ciphers: write their names with ':' between them", True),
    (model.Ciphers, "A B", "'A B' is not a list of ciphers: write their names with ':' between them", True),
]


@pytest.mark.parametrize(("hint", "text", "message", "by_shape"), BAD)
def test_any_other_text_is_an_error_with_a_cure(hint: Any, text: str, message: str, by_shape: bool) -> None:
    assert_refused(hint, text, message, by_shape)
