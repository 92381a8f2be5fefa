"""Random bytes for ids, nonces and masking keys, drawn for many at once: a system call for each costs more than the
rest."""

from __future__ import annotations

import os

_DRAWN = 4096  # bytes

_pool = bytearray()


def random_bytes(size: int) -> bytes:
    """Returns bytes that nobody can guess, at most ``_DRAWN``; none of them is returned twice."""
    if len(_pool) < size:
        _pool.extend(os.urandom(_DRAWN))
    drawn = bytes(_pool[-size:])
    del _pool[-size:]
    return drawn


os.register_at_fork(after_in_child=_pool.clear)  # or two processes would draw the same
