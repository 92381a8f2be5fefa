"""``errors: close``: a WebSocket that is refused is opened first, so that somebody can read why.

A browser keeps the HTTP answer to an upgrade to itself: its page sees 1006 whatever the status was. A Close frame it
does show, code and reason. So the upgrade is accepted, and all that is ever said on it is Close. It ends like every
WebSocket (RFC 6455 §7.1.1): the client's Close is awaited before TCP ends.
"""

from __future__ import annotations

from wsgate.net.io import receive
from wsgate.net.transport import Transport
from wsgate.settings.model import Errors, Route
from wsgate.wire.close import MAX_REASON, Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame
from wsgate.wire.handshake import Upgrade, accept_headers
from wsgate.wire.headers import values
from wsgate.wire.http import HttpServer, Refusal, Request
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import CONTROL, FAULT

# What users of noVNC know, and search for; a status has no such fixed words
_NOT_REACHED = Close(CloseCode.INTERNAL_ERROR, b"Failed to connect to downstream server")


def by_close(route: Route | None, upgrade: Upgrade | None, request: Request | None, answer: Refusal) -> bool:
    """Whether a refusal on this route is told by a Close frame: only to who has asked rightly for a WebSocket.

    A challenge to who has shown no credentials is no refusal yet: a browser sends those of the URL, and may ask its
    user, only when it hears the status (RFC 9110 §11.6.1).
    """
    if route is None or upgrade is None or request is None or route.errors is not Errors.CLOSE:
        return False
    challenged = answer.status == 401 and any(name.lower() == b"www-authenticate" for name, _ in answer.headers)
    return not challenged or bool(values(request.headers, b"authorization"))


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


async def hear_close(sock: Transport, early: bytes) -> None:
    """Read until the client has answered our Close with its own, has ended, or has broken a rule.

    A browser takes an end that comes before for unclean. What else it sends, ``early`` first, is dropped. The caller
    bounds the time.
    """
    walk = FrameWalk(masked=True, validate_text=False)
    data = early
    while True:
        buffer = bytearray(data)
        stop = walk.walk(buffer, 0, len(buffer))
        while walk.halt == CONTROL and walk.opcode != Opcode.CLOSE:
            stop = walk.walk(buffer, walk.resume, len(buffer))
        if walk.halt in (CONTROL, FAULT):
            return
        more = await receive(sock)
        if not more:
            return
        data = bytes(buffer[stop:]) + more
