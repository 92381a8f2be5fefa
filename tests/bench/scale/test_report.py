from __future__ import annotations

from pathlib import Path

from bench.scale import report
from bench.scale.claims import claims

from .stories import story


def test_text_and_page_have_each_claim(tmp_path: Path) -> None:
    found = story()
    text = report.text(found, claims(found))
    assert "clients that saw exactly one Close" in text
    assert "NO" not in text
    page = tmp_path / "scaling.md"
    page.write_text("# Scaling\n\nBefore.\n")
    for _ in range(2):  # the second one replaces what the first has written
        report.write(found, claims(found), {"date": "2026-01-01", "nginx": "1.22.1"}, page)
    written = page.read_text()
    assert written.startswith("# Scaling\n\nBefore.\n")
    assert written.count("<!-- bench scale claims -->") == 1
    assert "| **death** | clients of the dead replica that are back | 2 | = 2 | yes |" in written
    assert "| death | 10 | 2 | 0 | 2 | 0 | 1 (no answer) | 50%, 12% | 0.2 s |" in written
    assert "| kernel objects of a TCP socket | 4.0 KB, in the mean of six for each session |" in written
    assert "| date | 2026-01-01 |" in written
    assert "nginx" not in written
    assert "disturbed" in written  # for a quarter of a second of the last phase, which had one
    found.waited = dict.fromkeys(found.waited, 0.01)
    report.write(found, claims(found), {}, page)
    assert "disturbed" not in page.read_text()
