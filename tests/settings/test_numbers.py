from typing import Any

import pytest

from tests.settings.scalars import Refused, assert_refused
from wsgate.settings import model

BAD: list[Refused] = [
    (model.Weight, "0", "expected a number from 1 to 256, found '0'", True),
    (model.Weight, "257", "expected a number from 1 to 256, found '257'", True),
    (model.CompressionLevel, "0", "expected a level from 1 (fast) to 9 (small), found '0'", True),
    (model.CompressionLevel, "10", "expected a level from 1 (fast) to 9 (small), found '10'", True),
    (model.CompressionLevel, "fast", "expected a level from 1 (fast) to 9 (small), found 'fast'", True),
    (model.Share, "50", "'50' has no unit: write '50%'", True),
    (model.Share, "0%", "expected a share from 1% to 100%, found '0%'", False),
    (model.Share, "101%", "expected a share from 1% to 100%, found '101%'", False),
    (model.Share, "half", "expected a share from 1% to 100%, found 'half'", True),
    *(
        (
            model.DrainCode,
            code,
            f"expected 1001 (going away), 1012 (service restart) or 3000 to 4999, found '{code}'",
            True,
        )
        for code in ["1000", "1002", "2999", "5000", "0x3e9", "1_001", "\uff11\uff10\uff10\uff11", "-1001"]
    ),
    *(
        (model.Database, number, f"expected a number from 0 to 2147483647, found '{number}'", by_shape)
        for number, by_shape in [("-1", True), ("2147483648", True), ("00", False), ("one", True), ("1_0", True)]
    ),
    *(
        (
            model.FileMode,
            mode,
            f"'{mode}' is not a mode: write three octal digits with a 0 in front, like 0660",
            by_shape,
        )
        for mode, by_shape in [
            ("rw-rw----", True),
            ("0o660", True),
            ("01777", True),
            ("-660", True),
            ("", True),
            ("66", False),
            ("0680", False),
        ]
    ),
    *(
        (model.Count, number, f"expected a number from 1 to 2147483647, found '{number}'", by_shape)
        for number, by_shape in [
            ("0", True),
            ("-1", True),
            ("2147483648", True),
            ("1e3", True),
            ("many", True),
            ("1_000", True),
            ("\uff11", True),
            ("010", False),
        ]
    ),
    *(
        (model.Workers, number, f"expected auto or a number from 1 to 1024, found '{number}'", by_shape)
        for number, by_shape in [("0", True), ("1025", True), ("Auto", True), ("-1", True), ("010", False)]
    ),
]


@pytest.mark.parametrize(("hint", "text", "message", "by_shape"), BAD)
def test_any_other_text_is_an_error_with_a_cure(hint: Any, text: str, message: str, by_shape: bool) -> None:
    assert_refused(hint, text, message, by_shape)
