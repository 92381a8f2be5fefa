"""What a flow has inflated and compressed, and how that is told in parts."""

from __future__ import annotations

from wsgate.relay.codec_work import CodecWork


def test_the_difference_of_two_states() -> None:
    before = CodecWork(1, 2, 0.5, 3, 4, 0.25)
    now = before.copy()
    assert now.since(before) == CodecWork()
    now.inflated += 10
    now.deflating += 0.5
    assert now.since(before) == CodecWork(inflated=10, deflating=0.5)
    assert before.inflated == 2
