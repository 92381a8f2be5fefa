"""Which subprotocol a tunnel speaks with a client.

The gateway looks into nothing that a tunnel carries, so it speaks whatever its service does. Without ``subprotocols``
it takes the client's word for what that is; where they are written, the operator's.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsgate.settings.model import Tunnel
from wsgate.wire.handshake import Upgrade, choose_subprotocol
from wsgate.wire.http import Refusal

_BINARY = b"binary"  # what websockify's clients offer
_BASE64 = b"base64"  # its name for bytes in text messages, which no tunnel here writes

_MAX_NAMES, _MAX_NAME = 8, 40  # in the log: some clients offer a token as one of them


def tunnel_subprotocol(tunnel: Tunnel, upgrade: Upgrade) -> bytes | Refusal | None:
    """The subprotocol of the 101, ``None`` for none. Where the client offers some and none of them is spoken here, the
    ``Refusal`` says so, unless the tunnel is lenient: every browser fails a WebSocket then, without a word of why."""
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
    detail = f"offered: {in_words(offered)}; spoken: {spoken}"
    return Refusal(400, "none of the offered subprotocols is spoken here", detail=detail)


def in_words(offered: Sequence[bytes]) -> str:
    """What a client offers, for the log."""
    names = [name.decode("latin-1") for name in offered[:_MAX_NAMES]]
    shown = [name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…" for name in names]
    return ", ".join([*shown, "…"] if len(offered) > _MAX_NAMES else shown)
