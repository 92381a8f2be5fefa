"""docs/metrics.md has each metric, as the table of metrics does."""

from __future__ import annotations

from tests.docs.metrics_page import PAGE, with_table


def test_the_table_is_that_of_the_code() -> None:
    page = PAGE.read_text()
    assert with_table(page) == page, "make it anew: python -m tests.docs.metrics_page"
