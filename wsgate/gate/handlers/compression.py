"""permessage-deflate on the two sides of a relay, as the route's ``compression`` has it (RFC 7692).

The backend is asked first (``offers``), because its answer decides what the client is told where both compress end to
end. Then ``agree`` says what stands on each side, and ``make_flows`` makes the flows for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from wsgate.gate.exchange import Exchange
from wsgate.gate.handlers.legs import or_no_limit
from wsgate.relay.closing import Side
from wsgate.relay.deflate_flow import Checks, Direction
from wsgate.relay.flow import MakeFlows
from wsgate.relay.inspect_flow import inspect
from wsgate.relay.recode_flow import Recoding, recode
from wsgate.relay.relay_flow import relay
from wsgate.relay.websocket_leg import WebSocketLeg
from wsgate.settings.model import Compression, CompressionContext, Pings, Relay, Route
from wsgate.wire import extensions
from wsgate.wire.deflate import MIN_DEFLATE_BITS, Deflater, Inflater, deflating_memory, inflating_memory
from wsgate.wire.extensions import DeflateTerms, Extension, accept, encode_extensions, terms
from wsgate.wire.frames import Opcode
from wsgate.wire.kernel import FrameWalk, Walk
from wsgate.wire.walk import NO_LIMIT

_ANSWER = Pings.ANSWER
_OPCODES = {"text": Opcode.TEXT, "binary": Opcode.BINARY}

# The same objects for all sessions with the same settings, because none of them changes. A session holds only what is
# its own
_checks = lru_cache(maxsize=256)(Checks)
_recoding = lru_cache(maxsize=256)(Recoding)
_shared_deflater = lru_cache(maxsize=256)(Deflater)  # without a window it holds nothing


@dataclass(frozen=True, slots=True)
class Agreement:
    """What stands on each side of a session.

    answer: the value of Sec-WebSocket-Extensions for the client; empty: none
    client, backend: the terms on each side; ``None``: no message is compressed there
    is_own: the gateway compresses and inflates itself
    """

    answer: bytes = b""
    client: DeflateTerms | None = None
    backend: DeflateTerms | None = None
    is_own: bool = False


_NOTHING = Agreement()


def offers(exchange: Exchange) -> list[Extension]:
    """Returns what a backend is offered."""
    assert exchange.upgrade is not None
    compression = exchange.route.settings.compression
    if compression is None:
        return []
    if not compression.is_own:
        if compression.inspect and not exchange.gateway.has_codec_memory:
            return []
        return exchange.upgrade.deflate
    if not compression.backend:
        return []
    return extensions.offers(takeover=_keeps_windows(exchange, compression), bits=_bits(compression))


def agree(
    exchange: Exchange, offered: list[Extension], answered: Extension | None, subprotocol: bytes | None
) -> Agreement:
    """Returns what stands, and what the client is answered.

    offered: what the backend was offered
    answered, subprotocol: the backend's answer
    """
    assert exchange.upgrade is not None
    compression = exchange.route.settings.compression
    if compression is None or not compression.is_own:
        if answered is None:
            return _NOTHING
        agreed = terms(answered[1])
        return Agreement(encode_extensions([answered]), agreed, agreed)
    backend = None if answered is None else terms(answered[1], offered[0][1])
    accepted = None
    if compression.client and not _is_excluded(compression, subprotocol):
        takeover = _keeps_windows(exchange, compression)
        accepted = accept(exchange.upgrade.deflate, takeover=takeover, bits=_bits(compression))
    answer = b"" if accepted is None else encode_extensions([accepted])
    return Agreement(answer, None if accepted is None else terms(accepted[1]), backend, is_own=True)


def make_flows(
    exchange: Exchange, agreement: Agreement, subprotocol: bytes | None, client: WebSocketLeg, backend: WebSocketLeg
) -> MakeFlows:
    """Makes the two flows of a session for what was agreed on."""
    route, metrics = exchange.route.settings, exchange.gateway.metrics.sessions(exchange.route.name)
    action, compression = route.action, route.compression
    assert isinstance(action, Relay)
    limit = or_no_limit(route.limits.message)
    answers_pings = action.pings is _ANSWER
    here, there = agreement.client, agreement.backend
    looks_in = (here is not None or there is not None) and (agreement.is_own or _inspects(compression))

    def walk(direction: str, terms: DeflateTerms | None) -> Walk:
        return FrameWalk(
            masked=direction == "up",
            limit=NO_LIMIT if looks_in else limit,
            frame_limit=or_no_limit(route.limits.frame),
            fragment_limit=or_no_limit(route.limits.fragments),
            validate_text=action.validate_text,
            compression=terms is not None,
            counts=metrics.frames(direction, sizes=not looks_in),
        )

    if here is not None:
        metrics.compressed(Side.CLIENT)
    if there is not None:
        metrics.compressed(Side.BACKEND)
    if not looks_in:
        return relay(client, backend, walk("up", here), walk("down", there), answers_pings=answers_pings)
    checks = _checks(limit, action.validate_text, answers_pings)
    from_client = None if here is None else _inflater_maker(here.client_bits, here.client_takeover)
    from_backend = None if there is None else _inflater_maker(there.server_bits, there.server_takeover)
    to_client = to_backend = None
    if agreement.is_own and compression is not None:
        if here is not None:  # which it is not for an excluded subprotocol
            to_client = _deflater(compression, here.server_bits, here.server_takeover)
        if there is not None and not _is_excluded(compression, subprotocol):
            to_backend = _deflater(compression, there.client_bits, there.client_takeover)
    up = Direction(walk("up", here), from_client, to_backend, metrics.sizes("up"))
    down = Direction(walk("down", there), from_backend, to_client, metrics.sizes("down"))
    if not agreement.is_own or compression is None:
        return inspect(client, backend, up, down, checks)
    never = frozenset(_OPCODES[each] for each in compression.no_compress if each in _OPCODES)
    return recode(client, backend, up, down, checks, _recoding(compression.threshold, never))


def describe(route: Route, agreement: Agreement) -> str:
    """Returns what becomes of compressed messages, in one word for the log; empty without any."""
    if agreement.client is None and agreement.backend is None:
        return ""
    if not agreement.is_own:
        return "inspected" if _inspects(route.compression) else "passed"
    if agreement.client is None or agreement.backend is None:
        return "backend" if agreement.client is None else "client"
    return "both"


def memory_of(route: Route, agreement: Agreement) -> int:
    """Returns the bytes that the session holds between two messages, once it has had some."""
    here, there = agreement.client, agreement.backend
    if not agreement.is_own and not _inspects(route.compression):
        return 0
    total = 0
    if here is not None:
        total += inflating_memory(here.client_bits) if here.client_takeover else 0
        total += deflating_memory(here.server_bits) if here.server_takeover and agreement.is_own else 0
    if there is not None:
        total += inflating_memory(there.server_bits) if there.server_takeover else 0
        total += deflating_memory(there.client_bits) if there.client_takeover and agreement.is_own else 0
    return total


def _inspects(compression: Compression | None) -> bool:
    return compression is not None and compression.inspect


def _keeps_windows(exchange: Exchange, compression: Compression) -> bool:
    return compression.context is CompressionContext.SESSION and exchange.gateway.has_codec_memory


def _bits(compression: Compression) -> int:
    return compression.window.bit_length() - 1


def _is_excluded(compression: Compression, subprotocol: bytes | None) -> bool:
    return subprotocol is not None and subprotocol.decode("latin-1") in compression.no_compress


def _deflater(compression: Compression, bits: int, takeover: bool) -> Deflater | None:
    """Returns ``None`` for a window that zlib cannot use: the peer may always be sent plain messages."""
    if bits < MIN_DEFLATE_BITS:
        return None
    make = Deflater if takeover else _shared_deflater
    return make(compression.level, min(bits, _bits(compression)), takeover=takeover)


@lru_cache(maxsize=64)
def _inflater_maker(bits: int, takeover: bool) -> Callable[[], Inflater]:
    return partial(Inflater, bits, takeover=takeover)
