"""``errors: close``: refuses a WebSocket by a Close frame, so that a page can read the reason.

A browser does not show a page the HTTP answer to an upgrade: the page gets 1006 for every status. But it shows code and
reason of a Close. So the upgrade is accepted, and only a Close is sent. The connection ends like every WebSocket (RFC
6455 §7.1.1): the gateway waits for the client's Close before it ends TCP.
"""

from __future__ import annotations

from wsgate.gate.exchange import Exchange
from wsgate.net.io import receive
from wsgate.net.transport import Transport
from wsgate.settings.model import Errors
from wsgate.wire.close import MAX_REASON, Close, CloseCode
from wsgate.wire.frames import Opcode, encode_frame
from wsgate.wire.handshake import Upgrade, accept_headers
from wsgate.wire.headers import Headers, values
from wsgate.wire.http import HttpServer, Refusal
from wsgate.wire.kernel import FrameWalk
from wsgate.wire.walk import CONTROL, FAULT

# The text that users of noVNC know and search for
_NOT_REACHED = Close(CloseCode.INTERNAL_ERROR, b"Failed to connect to downstream server")


def by_close(exchange: Exchange, answer: Refusal) -> bool:
    """Whether a refusal is sent as a Close frame: only after a well-formed upgrade request.

    A 401 that asks for a password stays an HTTP answer to a client that has sent none: only after this status does a
    browser send the one in the URL or ask its user (RFC 9110 §11.6.1).
    """
    if exchange.upgrade is None or exchange.route.settings.errors is not Errors.CLOSE:
        return False
    challenged = answer.status == 401 and any(map(_asks_for_password, answer.headers))
    return not challenged or bool(values(exchange.request.headers, b"authorization"))


def _asks_for_password(field: tuple[bytes, bytes]) -> bool:
    return field[0].lower() == b"www-authenticate" and field[1].lower().startswith(b"basic")


def close_for(refusal: Refusal) -> Close:
    """Returns the Close for a refusal.

    For a fault of the client the code is 4000 plus the status, in the range for applications (RFC 6455 §7.4.2).
    """
    # A WebSocket cannot be led to a page: where it would be, its client has to log in there
    status = 401 if refusal.status < 400 else refusal.status
    if status in (502, 504):
        return _NOT_REACHED
    code = 4000 + status if 400 <= status < 500 else CloseCode.INTERNAL_ERROR
    if status == 503:
        code = CloseCode.TRY_AGAIN_LATER
    return Close(code, refusal.reason.encode("ascii", "replace")[:MAX_REASON])


def opened_and_closed(http: HttpServer, upgrade: Upgrade, refusal: Refusal, headers: Headers = ()) -> bytes:
    """Returns the 101 and the Close for such a client.

    The answer has ``headers``, and the first of the offered subprotocols: without one a browser fails the connection
    and shows no Close.
    """
    subprotocol = upgrade.subprotocols[0] if upgrade.subprotocols else None
    head = http.switch([*accept_headers(upgrade, subprotocol), *headers])
    return head + encode_frame(Opcode.CLOSE, close_for(refusal).payload(), None)


async def await_close(sock: Transport, early: bytes) -> None:
    """Reads until the client has answered our Close, has ended the connection, or has broken a rule.

    If TCP ended before, a browser would report an unclean end. Other frames are dropped. The caller bounds the time.

    early: bytes of the client that came already
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
