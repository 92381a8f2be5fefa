"""``relay_once``: one read, one walk and one write in one call, in C; ``None`` if it was not built.

It needs the compiled frame walk of ``wire.kernel``. Without it ``flow`` does the same in Python.
"""

from __future__ import annotations

from collections.abc import Callable

from wsgate.net.transport import ReadEnd, WriteEnd
from wsgate.wire import kernel

# walk, source, sink, buffer, start -> size, or size, stop, sent: see _fast_relay.c
RelayOnce = Callable[[kernel.Walk, ReadEnd, WriteEnd, bytearray, int], "int | tuple[int, int, int]"]

relay_once: RelayOnce | None = None
STATUS = "messages are passed on in Python"  # for the log, beside the kernel's
if kernel.COMPILED:
    try:
        from wsgate.relay._fast_relay import relay_once as _relay_once
    except ImportError as error:
        STATUS += f": {error}"
    else:
        relay_once = _relay_once  # type: ignore[assignment]  # with the compiled kernel every walk is a compiled one
        STATUS = "messages are passed on by the compiled relay"
