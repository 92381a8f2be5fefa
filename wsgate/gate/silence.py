"""Whether a connection may wait for its client's first word, beside the others of its address that do."""

from __future__ import annotations

import logging

import trio

from wsgate.events.emit import emit
from wsgate.gate.gateway import Gateway
from wsgate.gate.silent_connections import GRACE
from wsgate.gate.tls_handshake import first_byte
from wsgate.net.io import reset_at_close
from wsgate.net.plain import PlainTransport
from wsgate.settings.model import Address
from wsgate.site.listener import LiveListener


async def may_be_silent(
    gateway: Gateway, listener: LiveListener, sock: PlainTransport, address: Address, counted_as: str | None
) -> bool:
    """Whether a connection may wait for its client. If not, the caller closes it.

    Another one of its address may have to end for it. If all of them have just come, this one has to say something at
    once.

    address: of the client, for the log
    counted_as: as ``RemoteEnd`` has it
    """
    most = gateway.most_silent
    if counted_as is None or most is None:
        return True
    room, ended = gateway.silent.make_room(counted_as, most)
    if ended:
        _log(listener, address, most, "the one that has been silent for longest is ended")
        gateway.metrics.ended_silent("address", ended)
    if room:
        return True
    with trio.move_on_after(GRACE) as scope, gateway.silent.waiting(scope, counted_as):
        await first_byte(gateway, sock, scope)
    if not scope.cancelled_caught:
        return True
    reset_at_close(sock)
    if trio.current_time() >= scope.deadline:  # else a drain has ended it, or one that came later
        _log(listener, address, most, f"this one is ended, which said nothing for {GRACE:g} s")
        gateway.metrics.ended_silent("address", 1)
    return False


def _log(listener: LiveListener, address: Address, most: int, what: str) -> None:
    emit(
        logging.INFO,
        "too many silent connections",
        client=str(address),
        listener=str(listener.settings.bind),
        reason=f"{most} of its address owe their request (limits.silent_per_address): {what}",
    )
