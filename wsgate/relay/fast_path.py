"""The fast path in C, if it was built: rounds of the pump, and plain turns of flows.

The base classes of legs, flows and the pump are here because C reads their fields. Without C they only have the same
fields: the pump, and ``Flow.pull``, do the same in Python. The fast path needs the compiled frame walk of
``wire.kernel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import wsgate.relay
from wsgate.wire import kernel
from wsgate.wire.shared_object import check_whole

COMPILED = False
STATUS = "messages are passed on in Python"  # for the log, beside the kernel's
if kernel.COMPILED:
    try:
        check_whole("wsgate.relay._fast_path", wsgate.relay.__path__)
        from wsgate.relay import _fast_path

        kernel.check(_fast_path)
        from wsgate.relay._fast_path import FlowFields, LegFields, PumpFields, serve_round
    except (ImportError, OSError) as error:
        STATUS += f": {error}"
    else:
        COMPILED = True
        STATUS = "messages are passed on by the compiled fast path"

# Everything is as fast as it can be here: what an operator need not be told
FULL_SPEED = COMPILED and kernel.VECTORS

if not TYPE_CHECKING and not COMPILED:

    class PumpFields:
        __slots__ = ("buffer", "headroom", "now")

    class LegFields:
        __slots__ = ("drains", "interest", "last_read", "output", "pending", "reader", "waiting_frames")

    class FlowFields:
        __slots__ = (
            "_carry",
            "_read_end",
            "_wrapped",
            "_write_end",
            "last_moved",
            "messages_due",
            "octets",
            "octets_due",
            "pump",
            "read_area",
            "sink",
            "source",
            "walk",
        )

    serve_round = None

__all__ = ["COMPILED", "STATUS", "FlowFields", "LegFields", "PumpFields", "serve_round"]
