from __future__ import annotations

from wsgate.gate.refusals import OUT_OF_RESOURCES


def test_who_finds_no_room_is_told_when_to_come_back() -> None:
    assert OUT_OF_RESOURCES.status == 503
    assert dict(OUT_OF_RESOURCES.headers) == {b"Retry-After": b"5"}
