"""Chooses the subprotocol of a tunnel.

The gateway does not read what a tunnel carries, so the subprotocol is the service's. Without ``subprotocols`` in the
configuration the client's offer is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsgate.gate.redaction import shown_subprotocol
from wsgate.settings.model import Tunnel
from wsgate.wire.handshake import Upgrade, choose_subprotocol
from wsgate.wire.http import Refusal

_BINARY = b"binary"  # websockify's clients offer it
_BASE64 = b"base64"  # websockify's name for bytes in text messages, which is not supported

_MAX_NAMES, _MAX_NAME = 8, 40  # in the log


def tunnel_subprotocol(tunnel: Tunnel, upgrade: Upgrade) -> bytes | Refusal | None:
    """Returns the subprotocol for the 101; ``None`` for none.

    Returns a ``Refusal`` if none of the client's offers is accepted, unless the tunnel is lenient: a browser would fail
    the connection without a reason.
    """
    offered = upgrade.subprotocols
    if tunnel.subprotocols:
        chosen = choose_subprotocol(offered, [name.encode() for name in tunnel.subprotocols])
    elif _BINARY in offered:
        chosen = _BINARY
    else:
        chosen = next((name for name in offered if name != _BASE64), None)
    if chosen is not None or not offered or not tunnel.strict:
        return chosen
    spoken = ", ".join(tunnel.subprotocols) or "any but base64"
    detail = f"offered: {describe_offer(offered)}; spoken: {spoken}"
    return Refusal(400, "none of the offered subprotocols is spoken here", detail=detail)


def describe_offer(offered: Sequence[bytes]) -> str:
    """Returns the client's offer for the log."""
    names = [shown_subprotocol(name) for name in offered[:_MAX_NAMES]]
    shown = [name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…" for name in names]
    return ", ".join([*shown, "…"] if len(offered) > _MAX_NAMES else shown)
