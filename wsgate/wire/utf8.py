"""UTF-8 across the fragments of a message (RFC 6455 §8.1), failing at the first byte that cannot be right."""

from __future__ import annotations

import codecs

_decoder = codecs.getincrementaldecoder("utf-8")


class Utf8Validator:
    """Feed a text message's unmasked bytes in any pieces."""

    __slots__ = ("_decoder", "_partial")

    def __init__(self) -> None:
        self._decoder = _decoder()
        self._partial = False  # inside a multi-byte sequence

    def feed(self, data: bytes | bytearray) -> bool:
        """Whether the message may still be UTF-8."""
        if not self._partial and data.isascii():  # most text, at memory speed
            return True
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError:
            return False
        partial = self._decoder.getstate()[0]
        self._partial = bool(partial)
        # CPython waits for the third byte of a surrogate, which is wrong at its second (RFC 3629 §3)
        return not (partial[:1] == b"\xed" and partial[1:2] >= b"\xa0")

    def finish(self) -> bool:
        """Whether the message ends at a character's end. If so, the next message may be fed."""
        return not self._partial
