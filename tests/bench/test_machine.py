from __future__ import annotations

import pytest

from bench.machine import facts, processor, version_in

REAL = "processor\t: 0\nmodel name\t: Fast 9000 @ 3GHz\nflags\t\t: fpu sse2\n\nprocessor\t: 1\nmodel name\t: Other\n"


def test_processor_is_the_first_ones_model() -> None:
    assert processor(REAL) == "Fast 9000 @ 3GHz"
    assert processor(REAL.replace("sse2", "sse2 hypervisor")) == "Fast 9000 @ 3GHz, in a virtual machine"


@pytest.mark.parametrize(
    ("words", "which", "version"),
    [
        ("wsgate 0.1.0\n", 1, "0.1.0"),
        ("nginx version: nginx/1.22.1\n", 2, "1.22.1"),
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", 2, "2.6.12-1+deb12u4"),
    ],
)
def test_versions(words: str, which: int, version: str) -> None:
    assert version_in(words, which) == version


def test_facts_name_every_program() -> None:
    found = facts("python -m bench")
    assert found["command"] == "python -m bench"
    assert {"date", "processor", "kernel", "code", "frames", "wsgate", "nginx", "haproxy", "websockify"} <= set(found)
    assert all(found.values())
