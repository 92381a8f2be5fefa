from collections.abc import Callable

import pytest

from wsgate.settings.quantities import byte_rate, head_size, message_size, size_above_zero, timeout, window_size
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("read", "least", "most"),
    [
        (head_size, "1KiB", "1MiB"),
        (byte_rate, "1B", "9223372036854775807B"),
        (message_size, "125B", "9223372036854775807B"),
        (size_above_zero, "1B", "1GiB"),
        (window_size, "512B", "32KiB"),
    ],
)
def test_sizes_within_their_bounds(read: Callable[[str], int], least: str, most: str) -> None:
    assert 0 < read(least) < read(most)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((head_size, text) for text in ("0", "1023B", "1025KiB")),
        *((message_size, text) for text in ("0", "124B", "9223372036854775808B")),
        *((size_above_zero, text) for text in ("0", "0GiB", "9223372036854775808B")),
        *((timeout, text) for text in ("0", "0s")),
        *((window_size, text) for text in ("0", "256B", "3KiB", "64KiB")),
    ],
)
def test_what_lies_outside_is_refused_with_a_cure(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(TextError, match=f"^{text} .*: write "):
        read(text)
