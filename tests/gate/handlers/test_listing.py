"""A directory as a page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import pytest

from wsgate.disk.beneath import open_beneath
from wsgate.gate.handlers import listing
from wsgate.gate.handlers.listing import page

NAMES = ["b.txt", "a.txt", "<script>alert(1)", 'quote"s', "100%", "a&b", "x:y", "#top?q", "\xfc.txt"]


def page_of(directory: Path, title: str, *, is_root: bool) -> bytes:
    with open_beneath(str(directory), ()) as found:
        return page(found.fd, title, is_root=is_root)


def links(text: bytes) -> list[str]:
    return re.findall(r'<a href="([^"]*)">', text.decode())


def test_what_is_shown_and_where_it_leads(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "z-directory").mkdir()
    (tmp_path / ".hidden").write_bytes(b"")
    text = page_of(tmp_path, "/files/", is_root=False)
    assert b".hidden" not in text
    assert b"<script" not in text
    parent, directory, *files = links(text)
    assert (parent, directory) == ("../", "./z-directory/")
    base = "http://gate/files/"
    found = [unquote_to_bytes(urljoin(base, link).removeprefix(base)).decode() for link in files]
    assert found == sorted(NAMES)


def test_links_that_lead_nowhere_spoil_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert links(page_of(tmp_path, "/", is_root=True)) == ["./a.txt", "./broken", "./loop"]


def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt"))).write_bytes(b"")
    assert links(page_of(tmp_path, "/", is_root=True)) == ["./%FF.txt"]


def test_the_title_is_text(tmp_path: Path) -> None:
    assert b"<h1>/&lt;b&gt;/</h1>" in page_of(tmp_path, "/<b>/", is_root=True)


def test_the_root_has_no_parent(tmp_path: Path) -> None:
    assert links(page_of(tmp_path, "/", is_root=True)) == []


def test_a_directory_with_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 3)
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(b"")
    assert b"and more" not in page_of(tmp_path, "/", is_root=True)
    (tmp_path / "3").write_bytes(b"")
    text = page_of(tmp_path, "/", is_root=True)
    assert b"and more: only 3 are shown" in text
    assert len(links(text)) == 3
