"""The descriptors of this process, for tests that count what they leave open."""

from __future__ import annotations

import gc
import os


def descriptors() -> set[str]:
    """Returns the open descriptors, after collecting garbage of earlier tests, which could be closed in between."""
    gc.collect()
    return set(os.listdir("/proc/self/fd"))
