import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.problem import ScalarError
from wsgate.settings.quantities import duration, show_duration, show_size, size


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
    with pytest.raises(ScalarError, match=f"write {cure}$"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("16 MB", "16MiB"),
        ("16M", "16MiB"),
        ("1 KiB", "1KiB"),
        ("1.5MiB", "1536KiB"),
        ("64k", "64KiB"),
        ("100 bytes", "100B"),
        ("1TiB", "1024GiB"),
        ("512b", "512B"),
    ],
)
def test_a_size_as_others_write_it_says_how_it_is_written(text: str, cure: str) -> None:
    with pytest.raises(ScalarError, match=f"write {cure}$"):
        size(text)


@pytest.mark.parametrize("text", ["", "s", "1x", "1m30x", "1..5s", "-1s", "+5s", "5s-"])
def test_what_is_no_duration_says_what_is_one(text: str) -> None:
    with pytest.raises(ScalarError, match=r"^expected a duration like"):
        duration(text)


def test_a_size_of_zero_needs_no_unit() -> None:
    assert size("0") == size("0B") == 0
    assert show_size(0) == "0B"


@given(milliseconds=st.integers(0, 10**12))
def test_durations_survive_being_shown(milliseconds: int) -> None:
    if milliseconds <= 8760 * 3_600_000:
        assert duration(show_duration(milliseconds / 1000)) == milliseconds / 1000


@given(value=st.integers(0, 1 << 60))
def test_sizes_survive_being_shown(value: int) -> None:
    assert size(show_size(value)) == value
