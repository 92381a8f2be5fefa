"""The frame walk and the masking that this process uses: compiled where that was built, else in Python.

``_kernel`` is optional at install: without a C compiler everything works the same, only slower. ``WSGATE_PURE=1`` in
the environment chooses Python in any case, to tell a fault of the one from a fault of both.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

from wsgate.wire import masking, walk

Walk: TypeAlias = "walk.FrameWalk | _kernel.FrameWalk"

COMPILED = False
FrameWalk: type[walk.FrameWalk] | type[_kernel.FrameWalk] = walk.FrameWalk
apply_mask: Callable[[bytes | bytearray, bytes], bytes | bytearray] = masking.apply_mask

STATUS = "frames are walked in Python: WSGATE_PURE=1"  # what was chosen and why, for the log
if os.environ.get("WSGATE_PURE") != "1":
    try:
        from wsgate.wire import _kernel
    except ImportError as error:
        STATUS = f"frames are walked in Python, the compiled kernel is not there: {error}"
    else:
        COMPILED = True
        FrameWalk = _kernel.FrameWalk
        apply_mask = _kernel.apply_mask
        STATUS = "frames are walked by the compiled kernel"
