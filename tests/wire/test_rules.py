from __future__ import annotations

import re
from pathlib import Path

import pytest

from wsgate.wire import rules
from wsgate.wire.close import MAX_REASON, may_be_sent
from wsgate.wire.rules import Rule, fault
from wsgate.wire.walk import NO_LIMIT

KERNEL = (Path(rules.__file__).parent / "_kernel.c").read_text()


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_fits_into_a_close_frame(rule: Rule) -> None:
    found = fault(rule, NO_LIMIT)
    assert may_be_sent(found.code)
    assert found.rule.isascii()
    assert len(found.rule) <= MAX_REASON


def test_the_number_stands_in_the_text() -> None:
    assert fault(Rule.RESERVED_OPCODE, 11).rule == "reserved opcode 0xb"
    assert fault(Rule.MANY_FRAGMENTS, 10).rule == "message of more than 10 fragments"
    assert fault(Rule.LARGE_FRAME, 10).rule == "frame over the limit of 10 bytes"


def test_the_compiled_twin_has_every_rule_of_a_walk() -> None:
    """A name that is in C alone fails its import; one that it lacks, it could not find."""
    in_c = re.findall(r"^    X\((\w+)\)", KERNEL, re.MULTILINE)
    elsewhere = {"SHORT_CLOSE", "CLOSE_CODE", "CLOSE_REASON", "BAD_DEFLATE"}
    assert set(in_c) == {rule.name for rule in Rule} - elsewhere
