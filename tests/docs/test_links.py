"""Links between pages and to files lead somewhere, also to the heading that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import CHECKED, without_blocks

LINK = re.compile(r"\[(?:[^\]]|\\\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def links() -> list[Any]:
    found = []
    for page in CHECKED:
        for target in LINK.findall(without_blocks(page)):
            if "://" not in target and not target.startswith("mailto:"):
                found.append(pytest.param(page, target, id=f"{page.name}-{target}"))
    return found


def anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, spaces are hyphens, punctuation goes."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(without_blocks(page))
    }


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    assert file.exists()
    if anchor:
        assert anchor in anchors(file)
