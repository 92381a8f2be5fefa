"""Files with an entry in each line, which people write: empty lines and those that begin with ``#`` do not count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from wsgate.text.error import TextError

T = TypeVar("T")


def each_line(data: bytes, parse: Callable[[str], T]) -> Iterator[tuple[int, T | TextError]]:
    """Yields the number of each line, from 1, with what it says or its error.

    parse: raises ``TextError`` when a line is wrong
    """
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError:
            yield number, TextError("is not UTF-8: save the file as UTF-8", "this")
            continue
        if not text or text.startswith("#"):
            continue
        try:
            yield number, parse(text)
        except TextError as error:
            yield number, error
