from __future__ import annotations

import datetime

import pytest

from .report import Facts, page, summary
from .setups import SET_UPS
from .verdict import ALLOWED, Allowed, Result, abbreviate, count, failures, note

OK = Result("1.1.1", "OK", "OK")
BAD = Result("7.1.5", "OK", "WRONG CODE", "1000 was expected")
SOFT = Result("3.2", "NON-STRICT", "OK", "early")


@pytest.mark.parametrize(
    ("behavior", "close", "grade"),
    [
        ("OK", "OK", "OK"),
        ("NON-STRICT", "OK", "NON-STRICT"),
        ("INFORMATIONAL", "INFORMATIONAL", "INFORMATIONAL"),
        ("UNIMPLEMENTED", "OK", "UNIMPLEMENTED"),
        ("FAILED", "OK", "FAILED"),
        ("NON-STRICT", "FAILED", "FAILED"),
        ("OK", "WRONG CODE", "FAILED"),
        ("OK", "UNCLEAN", "FAILED"),
        ("OK", "FAILED BY CLIENT", "FAILED"),
        ("MISSING", "MISSING", "FAILED"),
        ("A NEW WORD", "OK", "FAILED"),
    ],
)
def test_the_worse_of_the_two_verdicts_counts(behavior: str, close: str, grade: str) -> None:
    assert Result("1.1.1", behavior, close).grade == grade


def test_a_failure_that_nobody_allowed_fails_the_run() -> None:
    (line,) = failures({"a": [OK, SOFT, BAD]}, [])
    assert "a 7.1.5" in line
    assert "1000 was expected" in line


def test_what_is_not_implemented_fails_the_run() -> None:
    assert failures({"a": [Result("12.1.1", "UNIMPLEMENTED", "OK")]}, [])


def test_an_entry_covers_its_set_up_and_cases_alone() -> None:
    allowed = [Allowed("a", ("7.1.*",), "because")]
    assert failures({"a": [BAD]}, allowed) == []
    assert failures({"b": [BAD]}, allowed) != []
    assert failures({"a": [Result("7.2.1", "FAILED", "OK")]}, allowed) != []


def test_an_entry_that_nothing_needs_fails_the_run() -> None:
    allowed = [Allowed("a", ("1.1.1",), "because")]
    (line,) = failures({"a": [OK]}, allowed)
    assert "verdict.ALLOWED" in line
    assert failures({"b": [OK], "a": [SOFT]}, allowed) == []


def test_grades_are_counted_by_section() -> None:
    counts = count([BAD, OK, SOFT, OK])
    assert list(counts) == [1, 3, 7]
    assert counts[1] == {"OK": 2}
    assert counts[7] == {"FAILED": 1}


def test_case_numbers_for_reading() -> None:
    cases = ["9.1.10", "3.2", "9.1.9", "4.1.3", "4.2.3", "4.1.4"]
    assert abbreviate(cases) == "3.2, 4.1.3 to 4.1.4, 4.2.3, 9.1.9 to 9.1.10"
    assert abbreviate([]) == ""


def test_every_entry_names_a_set_up_and_a_reason() -> None:
    assert {entry.set_up for entry in ALLOWED} <= {set_up.key for set_up in SET_UPS}
    assert all(len(entry.reason) > 20 for entry in ALLOWED)
    assert all(note(case) for case in ("3.2", "4.1.5", "5.15", "7.13.1"))


FACTS = Facts("wsgate 1", "25.10.1 (here)", "make it so", datetime.date(2026, 1, 2))


def test_the_page_has_every_set_up_and_every_case_that_is_not_ok() -> None:
    results = {set_up.key: [OK, SOFT, BAD] for set_up in SET_UPS}
    text = page(results, FACTS)
    for set_up in SET_UPS:
        assert f"### {set_up.key}: {set_up.title}" in text
        assert f"| {set_up.key} | NON-STRICT | 3.2 | " in text
        assert f"| {set_up.key} | FAILED | 7.1.5 | " in text
    for fact in ("25.10.1", "wsgate 1", "make it so", "2026-01-02", "validate_text: false"):
        assert fact in text
    assert "1 FAILED" in summary(results)
    assert all(line.count("|") in (0, 4, 5, 6) for line in text.splitlines())


def test_a_run_without_compression_keeps_what_the_page_says_of_it() -> None:
    full = page({"a": [OK, Result("12.1.1", "OK", "OK")]}, FACTS)
    assert "| 12 compression, sizes | 1 | 1 | 0 |" in full
    later = Facts("wsgate 2", "25.10.1 (here)", "make it so", datetime.date(2027, 1, 2))
    text = page({"a": [OK]}, later, full)
    assert text.partition("## Compression")[2] == full.partition("## Compression")[2]
    assert "wsgate 2" in text
    assert "--full" in page({"a": [OK]}, FACTS)


def test_a_run_of_one_set_up_keeps_the_others() -> None:
    full = page({"a": [OK, SOFT], "b": [OK, BAD]}, FACTS)
    later = Facts("wsgate 2", "25.10.1 (here)", "make it so", datetime.date(2027, 1, 2))
    text = page({"b": [OK]}, later, full)
    assert full[full.index("### a: ") : full.index("### b: ")] in text
    assert "| a | NON-STRICT | 3.2 | " in text
    assert "| b | FAILED" not in text
    assert page({}, later, full) == full
