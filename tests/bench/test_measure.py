from __future__ import annotations

from typing import Any

import pytest

from bench.generator import LoadFailed
from bench.measure import choose_cores, to_sample
from bench.rows import Load
from bench.stats import Sample

LATENCY = {"count": 1000, "p50_us": 10.0, "p99_us": 20.0, "p999_us": 30.0, "most_us": 40.0}
NONE = {"count": 0, "p50_us": 0.0, "p99_us": 0.0, "p999_us": 0.0, "most_us": 0.0}


def result(**changes: Any) -> dict[str, Any]:
    return {
        "seconds": 2.0,
        "messages": 1000,
        "refused": 0,
        "cpu_ns": 1_600_000_000,
        "backend_ns": 400_000_000,
        "own_ns": 600_000_000,
        "proxy_core_ns": 1_700_000_000,
        "load_core_ns": 1_000_000_000,
        "latency": LATENCY,
        "joining": NONE,
        **changes,
    }


def test_an_echo() -> None:
    assert to_sample(Load(size=4096), result()) == Sample(
        cpu_us=1600,
        messages_s=500,
        mb_s=2.048,
        p50_us=10,
        p99_us=20,
        p999_us=30,
        busy=0.8,
        load_busy=0.5,
        foreign=0.05,
    )


def test_a_storm_counts_who_joined_and_times_who_was_there() -> None:
    storm = result(joining={**LATENCY, "count": 400}, messages=9999, refused=3)
    sample = to_sample(Load(mode="storm", burst=400), storm)
    assert (sample.cpu_us, sample.messages_s, sample.p99_us, sample.refused) == (4000, 200, 20, 3)
    assert sample.mb_s is None


def test_one_way_has_no_latency() -> None:
    sample = to_sample(Load(mode="source"), result(latency=NONE))
    assert (sample.p50_us, sample.p99_us, sample.p999_us) == (None, None, None)


def test_without_a_proxy_nothing_is_charged_to_one() -> None:
    sample = to_sample(Load(), result(cpu_ns=0, proxy_core_ns=40_000_000))
    assert (sample.cpu_us, sample.busy, sample.foreign) == (None, None, 0.02)


def test_without_pinning_nobody_knows_who_else_ran() -> None:
    assert to_sample(Load(), result(proxy_core_ns=None, load_core_ns=None)).foreign is None


def test_nothing_done_is_a_failure() -> None:
    with pytest.raises(LoadFailed):
        to_sample(Load(), result(messages=0))


def test_cores() -> None:
    one, two, many = choose_cores({3}), choose_cores({1, 4}), choose_cores({0, 1, 2, 3})
    assert (one.proxy, one.load, one.apart) == (3, 3, False)
    assert (two.proxy, two.load, two.apart, two.free) == (1, 4, True, frozenset({1, 4}))
    # workers leave the load alone where there is room
    assert (many.proxy, many.load, many.free) == (0, 1, frozenset({0, 2, 3}))
