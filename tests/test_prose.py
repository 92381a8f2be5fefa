"""The form of comments and docstrings, as CONTRIBUTING.md has it."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIELD = re.compile(r":(?:param|type|raises?|returns?|rtype)\b[^:`\n]*:")
OUTSIDE = re.compile(r"\bDESIGN\b|\bresearch/|\bshared/|\bissue #?\d+", re.IGNORECASE)


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """Yields the first line and the text of each comment and each string on a line of its own, as docstrings are."""
    if file.suffix in (".c", ".h"):
        source = file.read_text(encoding="utf-8")
        for found in re.finditer(r"/\*.*?\*/|//[^\n]*", source, re.DOTALL):
            yield source.count("\n", 0, found.start()) + 1, found[0]
        return
    with tokenize.open(file) as opened:
        for token in tokenize.generate_tokens(opened.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string[:5]):
                yield token.start[0], token.string


def faults(pattern: re.Pattern[str]) -> list[str]:
    files = (file for folder in ("wsgate", "tests", "bench", "deploy") for file in sorted((ROOT / folder).rglob("*.*")))
    return [
        f"{file.relative_to(ROOT)}:{line}: {found[0]}"
        for file in files
        if file.suffix in (".py", ".pyi", ".c", ".h") and file != Path(__file__)
        for line, text in prose(file)
        if (found := pattern.search(text))
    ]


def test_results_and_errors_are_sentences() -> None:
    assert faults(FIELD) == []


def test_no_comment_refers_to_a_page_outside_of_the_repository() -> None:
    assert faults(OUTSIDE) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(FIELD, ":raises ValueError: if it is none"), (FIELD, ":returns: bytes"), (OUTSIDE, "see DESIGN §2")],
)
def test_what_is_wrong_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_comments_and_docstrings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('"""One."""\nvalue = "no"  # two\n')
    assert list(prose(file)) == [(1, '"""One."""'), (2, "# two")]
    file = tmp_path / "x.c"
    file.write_text("int x; /* one */\n// two\n")
    assert list(prose(file)) == [(1, "/* one */"), (2, "// two")]


def test_the_glossary_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    glossary = page[page.index("## Words") : page.index("## Layers")]
    named = re.findall(r"`([a-z_]+/[\w./]*)`", glossary)
    assert len(named) > 50
    assert [path for path in named if not (ROOT / "wsgate" / path).exists()] == []
