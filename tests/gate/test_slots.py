from __future__ import annotations

import pytest

from wsgate.gate.slots import FASTER, Slots


def test_each_has_a_slot_of_its_own() -> None:
    slots, now = Slots(100, 50.0, 1000.0), 1000.0
    for place in range(100):
        now = slots.next(now)
        assert int((now - 1000.0) / 0.5 + 1e-9) == place


def test_who_is_late_does_not_make_up_for_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    slots = Slots(10, 10.0, 0.0)
    assert [slots.next(0.0), slots.next(0.5)] == [0.5, 1.5]
    first = slots.next(2.8)  # 0.8 late: 7.2 seconds are left for eight
    assert first == pytest.approx(2.8 + 0.45)
    assert slots.next(first) == pytest.approx(first + 0.9)


def test_the_last_ones_may_be_later_than_all_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    slots = Slots(5, 5.0, 0.0)
    assert slots.next(0.0) == 0.0
    times = [slots.next(20.0)]
    for _ in range(3):
        times.append(slots.next(times[-1]))
    assert times == pytest.approx([20.0 + place / FASTER for place in range(4)])


def test_all_at_once_and_none() -> None:
    slots = Slots(3, 0.0, 7.0)
    assert [slots.next(7.0) for _ in range(3)] == [7.0] * 3
    Slots(0, 5.0, 7.0)
