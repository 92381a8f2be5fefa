"""The descriptors of this process, for tests that count what they leave open."""

from __future__ import annotations

import gc
import os


def descriptors() -> set[str]:
    """Their numbers. What earlier tests left to the garbage collector is gone first, or it would go in between."""
    gc.collect()
    return set(os.listdir("/proc/self/fd"))
