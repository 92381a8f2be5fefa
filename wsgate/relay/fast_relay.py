"""One read, one walk and one write in a single call, where that was compiled: ``carry``, else ``None``.

It goes with the compiled frame walk of ``wire.kernel``: both or neither. Without it ``flow`` does the same in Python.
"""

from __future__ import annotations

from collections.abc import Callable

from wsgate.net.transport import ReadEnd, WriteEnd
from wsgate.wire import kernel

# walk, source, sink, buffer, start -> size, or size, stop, sent: see _fast_relay.c
Carry = Callable[[kernel.Walk, ReadEnd, WriteEnd, bytearray, int], "int | tuple[int, int, int]"]

carry: Carry | None = None
STATUS = "messages are passed on in Python"  # for the log, beside the kernel's
if kernel.COMPILED:
    try:
        from wsgate.relay._fast_relay import carry as _carry
    except ImportError as error:
        STATUS += f": {error}"
    else:
        carry = _carry  # type: ignore[assignment]  # with the compiled kernel every walk is a compiled one
        STATUS = "messages are passed on by the compiled relay"
