"""UTF-8 across the fragments of a message (RFC 6455 §8.1). Invalid text is found at its first wrong byte."""

from __future__ import annotations

import codecs

_decoder = codecs.getincrementaldecoder("utf-8")


class Utf8Validator:
    """Validates a text message whose unmasked bytes come in pieces of any size."""

    __slots__ = ("_decoder", "_partial")

    def __init__(self) -> None:
        self._decoder = _decoder()
        self._partial = False  # inside a multi-byte sequence

    def feed(self, data: bytes | bytearray) -> bool:
        """Adds a piece. Returns whether the message may still be UTF-8."""
        if not self._partial and data.isascii():  # most text, and much faster than decoding
            return True
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError:
            return False
        partial = self._decoder.getstate()[0]
        self._partial = bool(partial)
        # CPython rejects a surrogate only at its third byte; its second is wrong already (RFC 3629 §3)
        return not (partial[:1] == b"\xed" and partial[1:2] >= b"\xa0")

    def finish(self) -> bool:
        """Whether the message ends between two characters. If so, the validator is ready for the next message."""
        return not self._partial
