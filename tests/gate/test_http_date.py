from __future__ import annotations

from wsgate.gate.http_date import HttpDate


def test_the_example_of_the_rfc() -> None:
    assert HttpDate(lambda: 784111777.9)() == b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_the_text_is_made_once_a_second() -> None:
    now = [100.0]
    date = HttpDate(lambda: now[0])
    seen = []
    for now[0] in (100.0, 100.9, 101.0, 101.999, 100.5):  # the clock may be set back
        seen.append(date())
    assert [text[-6:-4] for text in seen] == [b"40", b"40", b"41", b"41", b"40"]
    assert seen[0] is seen[1]
    assert seen[2] is seen[3]
