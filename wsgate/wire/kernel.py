"""What this process uses of what is there twice: compiled if it was built, else in Python.

That is the frame walk with its counts, the masking, and the splitting of a head's lines.

``_kernel`` is optional at install: without a C compiler everything works the same, only slower. ``WSGATE_PURE=1`` in
the environment always chooses Python. It helps to find out whether only the compiled code has a bug. Also a kernel that
cannot be loaded, is cut, or is of another version, is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import wsgate.wire
from wsgate.wire import counts, headers, masking, walk
from wsgate.wire.shared_object import check_whole

Walk: TypeAlias = "walk.FrameWalk | _kernel.FrameWalk"
Counts: TypeAlias = Any  # the FrameCounts of the same kind as the walk: both compiled, or neither

API = 3  # of the compiled modules: KERNEL_API_VERSION in _kernel.h


def check(module: ModuleType) -> None:
    """Raises ``ImportError`` for a compiled module that an older or newer wsgate has left where it is found."""
    found = getattr(module, "API", 0)
    if found != API:
        raise ImportError(
            f"{module.__name__} is of another version of wsgate ({found}, not {API}): install wsgate anew"
        )


COMPILED = False
VECTORS = False  # the compiled kernel validates text with the processor's vectors
FrameWalk: type[walk.FrameWalk] | type[_kernel.FrameWalk] = walk.FrameWalk
FrameCounts: Callable[[memoryview, memoryview], Counts] = counts.FrameCounts
apply_mask: Callable[[bytes | bytearray, bytes], bytes | bytearray] = masking.apply_mask
split_fields: Callable[[bytes], headers.SplitFields] = headers.split_fields

STATUS = "frames are walked in Python: WSGATE_PURE=1"  # the choice and its reason, for the log
if os.environ.get("WSGATE_PURE") != "1":
    try:
        check_whole("wsgate.wire._kernel", wsgate.wire.__path__)
        from wsgate.wire import _kernel

        check(_kernel)
    except (ImportError, OSError) as error:
        STATUS = f"frames are walked in Python, the compiled kernel cannot be used: {error}"
    else:
        COMPILED = True
        VECTORS = _kernel.VECTORS == 1
        FrameWalk = _kernel.FrameWalk
        FrameCounts = _kernel.FrameCounts
        apply_mask = _kernel.apply_mask
        split_fields = _kernel.split_fields
        STATUS = "frames are walked by the compiled kernel"
        if not VECTORS:
            STATUS += ", text without AVX2, which this processor does not have"
