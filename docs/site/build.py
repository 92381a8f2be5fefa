"""Builds the documentation as a site, into build/docs/site: ``make docs``.

The pages are those that are read in the repository, too. Their links to files outside of docs/ lead to copies in the
site, and the pages at the root of the repository are pages of the site. Links that lead nowhere are errors.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "build" / "docs"
ROOT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

_LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(#[^)\s]*)?(?=\))")


def build(zensical: str) -> int:
    """Builds the site by the program ``zensical``, a path; returns its exit status."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    pages = SOURCE / "pages"
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("site"))
    for page in sorted((ROOT / "docs").glob("*.md")):
        _put(page, pages)
    for name in ROOT_PAGES:
        _put(ROOT / name, pages)
    shutil.copy(ROOT / "docs" / "site" / "style.css", pages)
    shutil.copy(ROOT / "docs" / "site" / "zensical.toml", SOURCE)
    return subprocess.run(
        [Path(zensical).absolute(), "build", "--clean", "--strict"], cwd=SOURCE, check=False
    ).returncode


def _put(page: Path, pages: Path) -> None:
    """Writes a page for the site, and copies the files outside of docs/ that it leads to."""

    def move(found: re.Match[str]) -> str:
        target = (page.parent / found[1]).resolve()
        anchor = found[2] or ""
        if target == ROOT / "README.md":
            return f"index.md{anchor}"
        if target.parent == ROOT and target.name in ROOT_PAGES:
            return f"{target.name}{anchor}"
        if target.is_relative_to(ROOT / "docs") and target != page:
            return f"{target.relative_to(ROOT / 'docs')}{anchor}"
        if not target.is_file():
            raise SystemExit(f"{page.name}: {found[0]}: a page of the site can only lead to a file")
        copy = pages / "files" / target.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(target, copy)
        return str(copy.relative_to(pages))

    (pages / page.name).write_text(_LINK.sub(move, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(build(sys.argv[1]))
