"""What each side of a relay is offered and answered, and which flows follow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gate.conftest import exchange_for, relay_to, route
from tests.gate.handlers.conftest import Ends, Made
from tests.peers.heads import KEY
from wsgate.gate.exchange import Exchange
from wsgate.gate.handlers.compression import Agreement, agree, describe, memory_of, offers
from wsgate.relay.inspect_flow import InspectFlow
from wsgate.relay.recode_flow import RecodeFlow
from wsgate.relay.relay_flow import RelayFlow
from wsgate.settings.model import Compression, CompressionContext, CompressionMode
from wsgate.wire.deflate import Deflater, Inflater
from wsgate.wire.extensions import DeflateTerms, deflate_offers, encode_extensions, parse_extensions
from wsgate.wire.handshake import Upgrade

D = b"permessage-deflate"
NO_TAKEOVER = b"; server_no_context_takeover; client_no_context_takeover"
NO_CLIENT_TAKEOVER = b"; client_no_context_takeover; client_max_window_bits"
OFFERS = D + b"; server_no_context_takeover" + NO_CLIENT_TAKEOVER + b", " + D + NO_CLIENT_TAKEOVER
SESSION = CompressionContext.SESSION
TERMS = DeflateTerms()


def asking(compression: Compression | None, offered: bytes = b"", *, memory_used: int = 0) -> Exchange:
    exchange = exchange_for(route(relay_to(1), compression=compression))
    exchange.upgrade = Upgrade(
        KEY.encode(), (), deflate_offers(parse_extensions([(b"sec-websocket-extensions", offered)]))
    )
    exchange.gateway.codec_memory = memory_used
    return exchange


def offered_to_backend(exchange: Exchange) -> bytes:
    return encode_extensions(offers(exchange))


ON_BOTH = Compression(client=True, backend=True)


@pytest.mark.parametrize(
    ("compression", "by_client", "to_backend"),
    [
        (Compression(), b"", b""),
        (Compression(), D + b"; server_max_window_bits=10", D + b"; server_max_window_bits=10"),
        (Compression(inspect=False), D, D),
        (Compression(mode=CompressionMode.PASS, inspect=False), D, D),
        (None, D, b""),
        (Compression(client=True), D, b""),
        (Compression(client=True, backend=False), D, b""),
        (Compression(backend=True), b"", OFFERS),
        (Compression(backend=True, context=SESSION), D, D + b"; client_max_window_bits"),
        (
            Compression(backend=True, context=SESSION, window=1 << 10),
            D,
            D + b"; server_max_window_bits=10; client_max_window_bits=10",
        ),
    ],
)
def test_what_a_backend_is_offered(compression: Compression | None, by_client: bytes, to_backend: bytes) -> None:
    assert offered_to_backend(asking(compression, by_client)) == to_backend


@pytest.mark.parametrize(
    ("compression", "by_client", "by_backend", "to_client", "client", "backend"),
    [
        (Compression(), D, b"", b"", None, None),
        (Compression(), D, D, D, TERMS, TERMS),
        (None, D, b"", b"", None, None),
        (Compression(client=True), b"", b"", b"", None, None),
        (Compression(client=True), D, b"", D + NO_TAKEOVER, DeflateTerms(False, False), None),
        (Compression(client=True, context=SESSION), D, b"", D, TERMS, None),
        (Compression(backend=True, context=SESSION), D, D, b"", None, TERMS),
        # the gateway keeps to its offer, also if the backend does not repeat it
        (Compression(backend=True), D, D, b"", None, DeflateTerms(False, True)),
        (ON_BOTH, D, D + NO_TAKEOVER, D + NO_TAKEOVER, DeflateTerms(False, False), DeflateTerms(False, False)),
        (Compression(client=True, no_compress=("mqtt",)), D, b"", b"", None, None),
    ],
)
def test_what_a_client_is_answered(
    compression: Compression | None,
    by_client: bytes,
    by_backend: bytes,
    to_client: bytes,
    client: DeflateTerms | None,
    backend: DeflateTerms | None,
) -> None:
    answered = parse_extensions([(b"sec-websocket-extensions", by_backend)])
    exchange = asking(compression, by_client)
    found = agree(exchange, offers(exchange), answered[0] if answered else None, b"mqtt")
    is_own = compression is not None and compression.is_own
    assert found == Agreement(to_client, client, backend, is_own)


@pytest.mark.parametrize(
    ("compression", "agreement", "memory"),
    [
        (Compression(), Agreement(), 0),
        (Compression(), Agreement(D, TERMS, TERMS), 2 * 39 << 10),
        (Compression(), Agreement(D, DeflateTerms(False, False), DeflateTerms(False, False)), 0),
        (Compression(inspect=False), Agreement(D, TERMS, TERMS), 0),
        (ON_BOTH, Agreement(D, TERMS, None, is_own=True), 39 + 256 << 10),
        (ON_BOTH, Agreement(D, None, TERMS, is_own=True), 39 + 256 << 10),
        (ON_BOTH, Agreement(D, TERMS, TERMS, is_own=True), 2 * (39 + 256) << 10),
        (ON_BOTH, Agreement(D, DeflateTerms(False, False), DeflateTerms(False, False), is_own=True), 0),
    ],
)
def test_the_memory_of_a_session(compression: Compression, agreement: Agreement, memory: int) -> None:
    assert memory_of(route(relay_to(1), compression=compression), agreement) == memory


def test_no_session_gets_windows_without_memory_for_them() -> None:
    """What would be passed is not compressed, since it could not be inspected; elsewhere each message stands alone."""
    full = 256 << 20
    assert offered_to_backend(asking(Compression(), D, memory_used=full)) == b""
    assert offered_to_backend(asking(Compression(), D, memory_used=full - 1)) == D
    assert offered_to_backend(asking(Compression(inspect=False), D, memory_used=full)) == D
    own = Compression(client=True, backend=True, context=SESSION)
    exchange = asking(own, D, memory_used=full)
    assert offered_to_backend(exchange) == OFFERS
    assert agree(exchange, offers(exchange), None, None).answer == D + NO_TAKEOVER


@pytest.mark.parametrize(
    ("compression", "agreement", "word"),
    [
        (Compression(), Agreement(), ""),
        (Compression(), Agreement(D, TERMS, TERMS), "inspected"),
        (Compression(inspect=False), Agreement(D, TERMS, TERMS), "passed"),
        (ON_BOTH, Agreement(D, TERMS, None, is_own=True), "client"),
        (ON_BOTH, Agreement(D, None, TERMS, is_own=True), "backend"),
        (ON_BOTH, Agreement(D, TERMS, TERMS, is_own=True), "both"),
    ],
)
def test_what_the_log_calls_it(compression: Compression, agreement: Agreement, word: str) -> None:
    assert describe(route(relay_to(1), compression=compression), agreement) == word


AGREED = Agreement(D, TERMS, TERMS)
OWN = Agreement(D, TERMS, DeflateTerms(False, False, 9, 10), is_own=True)


@pytest.mark.parametrize(
    ("compression", "agreement", "kind"),
    [
        (Compression(), Agreement(), RelayFlow),
        (Compression(), AGREED, InspectFlow),
        (Compression(inspect=False), AGREED, RelayFlow),
        (None, Agreement(), RelayFlow),
        (ON_BOTH, OWN, RecodeFlow),
        (ON_BOTH, Agreement(is_own=True), RelayFlow),
    ],
)
async def test_the_flows(
    ends: Ends, compression: Compression | None, agreement: Agreement, kind: type[RelayFlow | InspectFlow | RecodeFlow]
) -> None:
    made = Made(ends, relay_to(1), agreement=agreement, compression=compression)
    assert type(made.up) is kind
    assert type(made.down) is kind


def codecs(flow: Any) -> tuple[Inflater | None, Deflater | None]:
    """What inflates and compresses; an inflater is made when the first message comes."""
    assert flow._inflater is None
    return flow._make_inflater and flow._make_inflater(), flow._deflater


async def test_each_side_has_its_own_terms(ends: Ends) -> None:
    """The client speaks by the client's terms of its side, the gateway to the backend by the client's of the other."""
    made = Made(ends, relay_to(1), agreement=OWN, compression=ON_BOTH)
    from_client, to_backend = codecs(made.up)
    from_backend, to_client = codecs(made.down)
    assert from_client is not None
    assert from_backend is not None
    assert (from_client.takeover, from_client._bits) == (True, 15)
    assert (from_backend.takeover, from_backend._bits) == (False, 10)
    assert to_backend is not None
    assert to_client is not None
    assert (to_backend.takeover, to_backend._bits) == (False, 9)
    assert (to_client.takeover, to_client._bits) == (True, 15)


@pytest.mark.parametrize(
    ("compression", "backend"),
    [
        (Compression(client=True), None),
        (ON_BOTH, DeflateTerms(client_bits=8)),  # zlib has no such window
        (Compression(backend=True, no_compress=("mqtt", "text")), TERMS),
    ],
)
async def test_a_side_that_is_sent_plain_messages(
    ends: Ends, compression: Compression, backend: DeflateTerms | None
) -> None:
    made = Made(
        ends,
        relay_to(1),
        agreement=Agreement(D, TERMS, backend, is_own=True),
        compression=compression,
        subprotocol=b"mqtt",
    )
    assert codecs(made.up)[1] is None


async def test_opcodes_that_are_not_compressed(ends: Ends) -> None:
    made = Made(ends, relay_to(1), agreement=OWN, compression=Compression(client=True, no_compress=("text", "mqtt")))
    flow: Any = made.up
    assert flow._recoding.never == {1}
