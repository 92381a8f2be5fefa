"""``errors: close``: a WebSocket that is refused is opened first, so that somebody can read why.

A browser keeps the HTTP answer to an upgrade to itself: its page sees 1006 whatever the status was. A Close frame it
does show, code and reason. So the upgrade is accepted, and all that is ever said on it is Close.
"""

from __future__ import annotations

from wsgate.settings.model import Errors, Route
from wsgate.wire.close import MAX_REASON, Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame
from wsgate.wire.handshake import Upgrade, accept_headers
from wsgate.wire.http import HttpServer, Refusal

# What users of noVNC know, and search for; a status has no such fixed words
_NOT_REACHED = Close(CloseCode.INTERNAL_ERROR, b"Failed to connect to downstream server")


def by_close(route: Route | None, upgrade: Upgrade | None) -> bool:
    """Whether a refusal on this route is told by a Close frame: only to who has asked rightly for a WebSocket."""
    return route is not None and upgrade is not None and route.errors is Errors.CLOSE


def close_for(refusal: Refusal) -> Close:
    """The Close that says what a status says. What is the client's fault has 4000 and the status for its code, of those
    that are free for applications (RFC 6455 §7.4.2)."""
    status = refusal.status
    if status in (502, 504):
        return _NOT_REACHED
    code = 4000 + status if 400 <= status < 500 else CloseCode.INTERNAL_ERROR
    if status == 503:
        code = CloseCode.TRY_AGAIN_LATER
    return Close(code, refusal.reason.encode("ascii", "replace")[:MAX_REASON])


def opened_and_closed(http: HttpServer, upgrade: Upgrade, refusal: Refusal) -> bytes:
    """All that such a client is sent.

    A browser fails a WebSocket that speaks none of the subprotocols that it offered, and shows no Close then: so the
    first of them it is.
    """
    subprotocol = upgrade.subprotocols[0] if upgrade.subprotocols else None
    head = http.switch(accept_headers(upgrade, subprotocol))
    return head + encode_frame(Opcode.CLOSE, close_for(refusal).payload(), None)
