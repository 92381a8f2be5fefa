"""The page needs nothing from elsewhere, and sets every text as text."""

from __future__ import annotations

import re

from wsgate.ops.admin.page.files import FILES

TEXT = {path: content.decode() for path, (_, content) in FILES.items()}


def test_what_the_page_names_is_served() -> None:
    named = set(re.findall(r'(?:href|src)="([^"]+)"', TEXT["/"])) | {
        path for text in TEXT.values() for path in re.findall(r'from "([^"]+)"', text)
    }
    assert named == FILES.keys() - {"/", "/page/index.html"}


def test_nothing_comes_from_elsewhere() -> None:
    for path, text in TEXT.items():
        found = set(re.findall(r"https?://[^\"'` ]+", text)) - {"http://www.w3.org/2000/svg"}
        assert found == set(), path


def test_no_text_becomes_markup() -> None:
    """Names of users, hosts and paths are strangers' texts."""
    for path, text in TEXT.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path


def test_each_file_has_its_type() -> None:
    assert FILES["/"][0] == b"text/html; charset=utf-8"
    assert FILES["/page/app.js"][0].startswith(b"text/javascript")
