from __future__ import annotations

import os
import subprocess

import pytest

from bench.proc import family, memory, parent_of, pss_kib, tree


def test_a_programs_name_may_hold_anything() -> None:
    assert parent_of("42 (a) b (c 7 8) S 17 42 42 0 -1") == 17


def test_a_family_is_all_generations_and_nobody_else() -> None:
    parents = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 2), (7, 99)]
    assert family(2, parents) == [2, 3, 6, 4]
    assert family(8, parents) == [8]


def test_pss_is_found_among_its_likes() -> None:
    assert pss_kib("5583e000-7ffd rollup\nRss:  900 kB\nPss:                 321 kB\nPss_Dirty: 5 kB\n") == 321
    with pytest.raises(ValueError, match="no Pss"):
        pss_kib("Rss: 1 kB\n")


def test_this_process_has_memory_and_children() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert {os.getpid(), child.pid} <= set(tree(os.getpid()))
        child.kill()
    assert memory([os.getpid()]) > 1 << 20
