"""docs/metrics.md has each metric, as the table of metrics does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.metrics_page import PAGE, with_table
from tests.docs.pages import ROOT
from wsgate.gate.metrics import _CAUSES, BACKEND_REFUSED, BAD_REQUEST
from wsgate.gate.upgrade_rates import address_refusal, gateway_refusal


def test_the_table_is_that_of_the_code() -> None:
    page = PAGE.read_text()
    assert with_table(page) == page, "make it anew: python -m tests.docs.metrics_page"


def test_the_causes_of_refusals_are_those_of_the_code() -> None:
    """The log has them, too."""
    page = PAGE.read_text()
    listed = page[page.index("That of a refused one is") :]
    words = set(re.findall(r"`([a-z_]+)`", listed)) - {"cause", "refused", "wsgate_auth_failures_total"}
    others = {*_CAUSES.values(), BACKEND_REFUSED, BAD_REQUEST, address_refusal(1).cause, gateway_refusal(1).cause}
    assert words == {*written_causes(), *others}


def written_causes() -> Iterator[str]:
    """Yields the words that refusals are made with."""
    for file in (ROOT / "wsgate").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Refusal":
                for given in call.keywords:
                    if given.arg == "cause" and isinstance(given.value, ast.Constant):
                        yield str(given.value.value)
