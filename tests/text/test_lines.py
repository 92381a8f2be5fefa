from __future__ import annotations

from wsgate.text.error import TextError
from wsgate.text.lines import each_line


def upper(text: str) -> str:
    if text == "bad":
        raise TextError("is bad", "this")
    return text.upper()


def test_lines_by_number() -> None:
    data = "\ufeffone\r\n\n# two\n bad \n  three  ".encode() + b"\n\xff\n"
    assert [(number, str(line)) for number, line in each_line(data, upper)] == [
        (1, "ONE"),
        (4, "this is bad"),
        (5, "THREE"),
        (6, "this is not UTF-8: save the file as UTF-8"),
    ]
