"""docs/configuration.md has every key, as the model does."""

from __future__ import annotations

from tests.docs.configuration_page import GUIDES, PAGE, anchor, with_reference
from tests.docs.pages import blocks
from tests.docs.test_links import anchors


def test_the_reference_is_that_of_the_model() -> None:
    page = PAGE.read_text()
    assert with_reference(page) == page, "make it anew: python -m tests.docs.configuration_page"


def test_each_guide_is_named_by_a_section() -> None:
    assert {anchor(place) for place in GUIDES} <= anchors(PAGE)


def test_the_grammar_is_shown_by_a_file() -> None:
    assert any(block.page == PAGE for block in blocks("yaml"))
