import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.error import TextError
from wsgate.text.size import show_size, size


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
    with pytest.raises(TextError, match=f"write {cure}$"):
        size(text)


def test_a_size_of_zero_needs_no_unit() -> None:
    assert size("0") == size("0B") == 0
    assert show_size(0) == "0B"


@given(value=st.integers(0, 1 << 60))
def test_sizes_survive_being_shown(value: int) -> None:
    assert size(show_size(value)) == value
