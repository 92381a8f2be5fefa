import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.duration import duration, show_duration
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("20 s", "20s"),
        ("30sec", "30s"),
        ("1m30s", "90s"),
        ("1h 30m", "90m"),
        ("1.5s", "1500ms"),
        ("2 Minutes", "2m"),
        ("250 msec", "250ms"),
        ("1d", "24h"),
        ("20S", "20s"),
        ("20", "20s or 20ms"),
    ],
)
def test_a_duration_as_others_write_it_says_how_it_is_written(text: str, cure: str) -> None:
    with pytest.raises(TextError, match=f"write {cure}$"):
        duration(text)


@pytest.mark.parametrize("text", ["", "s", "1x", "1m30x", "1..5s", "-1s", "+5s", "5s-"])
def test_what_is_no_duration_says_what_is_one(text: str) -> None:
    with pytest.raises(TextError, match=r"^expected a duration like"):
        duration(text)


@given(milliseconds=st.integers(0, 10**12))
def test_durations_survive_being_shown(milliseconds: int) -> None:
    if milliseconds <= 8760 * 3_600_000:
        assert duration(show_duration(milliseconds / 1000)) == milliseconds / 1000
