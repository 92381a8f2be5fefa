from __future__ import annotations

from wsgate.settings.model import Compression


def test_without_a_word_both_sides_compress_end_to_end_and_are_looked_into() -> None:
    compression = Compression()
    assert not compression.is_own
    assert compression.inspect
