"""The pages, and the fenced blocks, links and tables in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
CHECKED = [*PAGES, ROOT / "CHANGELOG.md"]  # by their links

_BLOCK = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^ *```", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``line`` is its first fence's; ``text`` is without the page's indentation."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(language: str | None = None) -> list[Block]:
    """Those in one language, or all."""
    return [block for page in PAGES for block in _blocks_of(page) if language in (None, block.language)]


def _blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    assert 2 * len(found) == len(_FENCE.findall(text)), f"{page.name} has a fence that no block begins or ends with"
    for block in found:
        yield Block(page, text.count("\n", 0, block.start()) + 1, block[2], textwrap.dedent(block[3]))


def without_blocks(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def table(page: Path, first: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading, each with its cells."""
    found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert found, f"{page.name} has no table that begins with {first!r}"
    rows = found[1].replace("\\|", "\0").splitlines()
    return [[cell.strip().replace("\0", "|") for cell in row.strip("|").split("|")] for row in rows]
