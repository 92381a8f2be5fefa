"""The keys in a file: PEM, a shared secret, or a key set. They are read again when the file changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from wsgate.events.emit import emit
from wsgate.site.jwt.keys import Key, read_key, read_key_set
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.memory import Memory

_MAX_SIZE = 1 << 20  # bytes

Read = Callable[[bytes, Sequence[str]], tuple[Key, ...]]


class KeyFile:
    """The keys in a file.

    read: ``read_key`` or ``read_key_set``
    algorithms: the accepted ones; all if empty
    """

    def __init__(self, path: str, read: Read, algorithms: Sequence[str]) -> None:
        self._path = path
        self._keys = Memory(Fresh(path, lambda data: read(data, algorithms), _MAX_SIZE).get)

    def load(self) -> None:
        """Reads the file, and logs weak keys. Call it in a thread. Raises ``SourceError`` when there is no usable
        key."""
        for reason in {key.weak for key in self._keys.look() if key.weak}:
            emit(logging.WARNING, "token key is weak", file=self._path, reason=reason)

    async def get(self) -> tuple[Key, ...]:
        """Returns the present keys. The caller bounds the time. Raises ``SourceError`` when there is no usable one."""
        return await self._keys.get()


def key_file(key: str | None, key_set: str | None, algorithms: Sequence[str]) -> KeyFile:
    """Returns the keys of one of two files.

    key: a file with one key
    key_set: a file with a key set
    """
    if key is not None:
        return KeyFile(key, read_key, algorithms)
    assert key_set is not None
    return KeyFile(key_set, read_key_set, algorithms)
