"""The value of the Date field in the gateway's own answers (RFC 9110 §6.6.1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate


class HttpDate:
    """Returns the present time as HTTP writes it (§5.6.7). The text is made at most once a second.

    clock: returns seconds since the epoch
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second: int | None = None
        self._text = b""

    def __call__(self) -> bytes:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text
