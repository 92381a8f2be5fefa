from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension
from websockets.typing import ExtensionName, ExtensionParameter

from wsgate.wire.extensions import (
    DEFLATE,
    DeflateTerms,
    Parameters,
    accept,
    deflate_offers,
    encode_extensions,
    is_answer_to,
    offers,
    parse_extensions,
    terms,
)

Extension = tuple[bytes, Parameters]


def parse(*lines: bytes) -> list[Extension | None]:
    return parse_extensions([(b"sec-websocket-extensions", line) for line in lines])


def only(line: bytes) -> Extension:
    (extension,) = parse(line)
    assert extension is not None
    return extension


SERVER_BITS, CLIENT_BITS = b"server_max_window_bits", b"client_max_window_bits"


@pytest.mark.parametrize(
    ("lines", "parsed"),
    [
        ([], []),
        ([b""], []),
        ([b" , ,"], []),
        ([b"permessage-deflate"], [(DEFLATE, {})]),
        # the examples of RFC 7692 §7.1 and RFC 6455 §9.1
        (
            [b"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate"],
            [(DEFLATE, {CLIENT_BITS: None, SERVER_BITS: b"10"}), (DEFLATE, {})],
        ),
        ([b"foo, bar; baz=2"], [(b"foo", {}), (b"bar", {b"baz": b"2"})]),
        ([b"foo", b"bar; baz=2"], [(b"foo", {}), (b"bar", {b"baz": b"2"})]),
        ([b'a;b="2"'], [(b"a", {b"b": b"2"})]),
        ([b"\ta ;\tb = 2 ; c\t,, d"], [(b"a", {b"b": b"2", b"c": None}), (b"d", {})]),
        ([b'a; b="c", d; e="f"'], [(b"a", {b"b": b"c"}), (b"d", {b"e": b"f"})]),
        # RFC 9110 §5.6.4: a backslash inside quotes
        ([b'a; b="1\\0"'], [(b"a", {b"b": b"10"})]),
        ([b'a; b="\\"", c', b'a; b="\\\\", c', b'a; b="c\\", d"'], [None, (b"c", {}), None, (b"c", {}), None]),
        ([b"Permessage-Deflate"], [(b"Permessage-Deflate", {})]),
    ],
)
def test_parse(lines: list[bytes], parsed: list[Extension | None]) -> None:
    assert parse(*lines) == parsed


@pytest.mark.parametrize(
    "line",
    [
        b"a b",
        b"a=b",
        b"a;",
        b"a; ; b",
        b"; a",
        b"a; =b",
        b"a; b=",
        b"a; b=c d",
        b'a; b=""',
        b'a; b="',
        b'a; b="c\\"',
        b"a; b=c\\d",
        b'a; b="c',
        b'a; b="c, d"',
        b'a; b="c; d"',
        b'a; b="c", "d"',
        b"a, b/c",
        b"a; b\xff",
    ],
)
def test_what_breaks_the_grammar(line: bytes) -> None:
    """§9.1: token names, token values even inside quotes."""
    assert None in parse(line)
    assert parse(b"fine", line)[0] == (b"fine", {})


@pytest.mark.parametrize("line", [b"a b, permessage-deflate", b"permessage-deflate, a;", b"a/b", b'a="'])
def test_a_malformed_offer_is_declined_and_the_others_stand(line: bytes) -> None:
    offers: list[Extension] = [(DEFLATE, {})] if DEFLATE in line else []
    assert deflate_offers(parse(line)) == offers
    assert deflate_offers(parse(line, b"permessage-deflate; client_max_window_bits")) == [
        *offers,
        (DEFLATE, {CLIENT_BITS: None}),
    ]


@pytest.mark.parametrize("again", [b"server_no_context_takeover", b"client_max_window_bits=9"])
def test_a_parameter_that_comes_twice_is_no_offer_and_no_answer(again: bytes) -> None:
    """RFC 7692 §7.1: such an offer is declined. The grammar allows it, so the handshake stands."""
    first = again.partition(b"=")[0]
    offers = parse(b"permessage-deflate; " + first + b"; " + again, b"permessage-deflate")
    assert deflate_offers(offers) == [(b"permessage-deflate", {})]
    assert offers[0] is not None
    assert not is_answer_to([(b"permessage-deflate", {first: None})], offers[0])


tokens = st.sampled_from([b"a", b"permessage-deflate", b"x-y", b"10"])
extensions = st.tuples(tokens, st.dictionaries(tokens, st.none() | tokens, max_size=3))


@given(st.lists(extensions, max_size=4))
def test_round_trip(some: list[Extension]) -> None:
    assert parse(encode_extensions(some)) == some


@given(st.lists(st.sampled_from([b"a", b"b", b'"', b"\\", b";", b",", b"=", b" ", b"\xe9"]), max_size=12).map(b"".join))
@example(b"a;b;b")
def test_any_value_is_parsed_or_refused(line: bytes) -> None:
    """Except for a repeated parameter, whose value is lost, it can be encoded again."""
    parsed = [each for each in parse(line) if each is not None]
    twice = any(value == b"" for _, parameters in parsed for value in parameters.values())
    assert twice or parse(encode_extensions(parsed)) == parsed


@pytest.mark.parametrize(
    "line",
    [
        b"permessage-deflate",
        b"permessage-deflate; client_max_window_bits",
        b"permessage-deflate; client_max_window_bits=8; server_max_window_bits=15",
        b"permessage-deflate; client_max_window_bits=15; server_max_window_bits=8",
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ],
)
def test_offers_that_go_on(line: bytes) -> None:
    offer = only(line)
    assert deflate_offers([(b"x-other", {}), offer, (DEFLATE, {b"unknown": None})]) == [offer]


@pytest.mark.parametrize(
    "line",
    [
        b"x-webkit-deflate-frame",  # of old Safari
        b"x-webkit-deflate-frame; no_context_takeover; max_window_bits=15",
        b"PERMESSAGE-DEFLATE",
        b"permessage-deflate; unknown",
        b"permessage-deflate; server_max_window_bits",
        b"permessage-deflate; server_max_window_bits=7",
        b"permessage-deflate; server_max_window_bits=16",
        b"permessage-deflate; client_max_window_bits=08",
        b'permessage-deflate; client_max_window_bits="08"',
        b"permessage-deflate; server_max_window_bits=010",
        b"permessage-deflate; server_max_window_bits=+9",
        b"permessage-deflate; server_max_window_bits=-9",
        b"permessage-deflate; server_max_window_bits=9.0",
        b"permessage-deflate; client_max_window_bits=x",
        b"permessage-deflate; server_no_context_takeover=1",
        b"permessage-deflate; client_no_context_takeover=true",
    ],
)
def test_offers_that_do_not(line: bytes) -> None:
    """RFC 7692 §7.1: declined, as if it had not been there."""
    assert deflate_offers([only(line)]) == []


PLAIN = b"permessage-deflate"
ANSWERS: list[tuple[bytes, bytes, bool]] = [
    (PLAIN, b"permessage-deflate", True),
    (PLAIN, b"permessage-deflate; server_no_context_takeover", True),
    (PLAIN, b"permessage-deflate; client_no_context_takeover", True),
    (PLAIN, b"permessage-deflate; server_max_window_bits=10", True),
    (PLAIN, b"permessage-deflate; client_max_window_bits=10", False),  # §7.1.2.2: the client did not announce it
    (PLAIN, b"permessage-deflate; server_max_window_bits", False),
    (PLAIN, b"permessage-deflate; unknown", False),
    (PLAIN, b"x-webkit-deflate-frame", False),
    (PLAIN, b"permessage-deflate; server_max_window_bits=010", False),
    (PLAIN, b'permessage-deflate; server_max_window_bits="10"', True),
    (PLAIN, b"permessage-deflate; server_max_window_bits=16", False),
    (b"permessage-deflate; client_max_window_bits", b"permessage-deflate", True),
    (b"permessage-deflate; client_max_window_bits", b"permessage-deflate; client_max_window_bits=9", True),
    (b"permessage-deflate; client_max_window_bits", b"permessage-deflate; client_max_window_bits", False),
    # the client's own value is a hint, which a larger answer does not break (§7.1.2.2)
    (b"permessage-deflate; client_max_window_bits=9", b"permessage-deflate; client_max_window_bits=12", True),
    (b"permessage-deflate; server_max_window_bits=10", b"permessage-deflate; server_max_window_bits=10", True),
    (b"permessage-deflate; server_max_window_bits=10", b"permessage-deflate; server_max_window_bits=8", True),
    (b"permessage-deflate; server_max_window_bits=10", b"permessage-deflate; server_max_window_bits=11", False),
    (b"permessage-deflate; server_max_window_bits=10", b"permessage-deflate", False),
    (b"permessage-deflate; server_no_context_takeover", b"permessage-deflate; server_no_context_takeover", True),
    (b"permessage-deflate; server_no_context_takeover", b"permessage-deflate", False),
    (b"permessage-deflate; client_no_context_takeover", b"permessage-deflate", True),
    # any of several offers may be meant
    (b"permessage-deflate; server_no_context_takeover, permessage-deflate", b"permessage-deflate", True),
    (b"", b"permessage-deflate", False),
]


@pytest.mark.parametrize(("offers", "answer", "fits"), ANSWERS)
def test_answers(offers: bytes, answer: bytes, fits: bool) -> None:
    assert is_answer_to(deflate_offers(parse(offers)), only(answer)) is fits


D = b"permessage-deflate; "
NO_SERVER, NO_CLIENT = b"server_no_context_takeover", b"client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "takeover", "bits", "answer"),
    [
        (b"", True, 15, None),
        (b"permessage-deflate", True, 15, b"permessage-deflate"),
        (
            b"permessage-deflate",
            False,
            15,
            D + b"server_no_context_takeover; client_no_context_takeover",
        ),
        (b"permessage-deflate", True, 12, b"permessage-deflate; server_max_window_bits=12"),
        (b"permessage-deflate; client_max_window_bits", True, 15, b"permessage-deflate"),
        (
            b"permessage-deflate; client_max_window_bits",
            True,
            12,
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            b"permessage-deflate; client_max_window_bits=10; server_max_window_bits=11",
            True,
            12,
            b"permessage-deflate; server_max_window_bits=11; client_max_window_bits=10",
        ),
        (
            D + b"server_no_context_takeover",
            True,
            15,
            D + b"server_no_context_takeover",
        ),
        (
            D + b"client_no_context_takeover",
            True,
            15,
            D + b"client_no_context_takeover",
        ),
        # zlib cannot compress with so small a window; the next offer can be accepted
        (b"permessage-deflate; server_max_window_bits=8", True, 15, None),
        (b"permessage-deflate; server_max_window_bits=8, permessage-deflate", True, 15, b"permessage-deflate"),
        (
            b"permessage-deflate; server_max_window_bits=9, permessage-deflate",
            True,
            15,
            D + b"server_max_window_bits=9",
        ),
        (b"permessage-deflate; client_max_window_bits=8", True, 15, D + b"client_max_window_bits=8"),
        # what is malformed or unknown is declined, not failed (RFC 7692 §5.1)
        (b"permessage-deflate; unknown, x-webkit-deflate-frame", True, 15, None),
        (b"x-webkit-deflate-frame, permessage-deflate", True, 15, b"permessage-deflate"),
        (b"permessage-deflate; server_max_window_bits=010", True, 15, None),
        (D + b"client_max_window_bits; client_max_window_bits", True, 15, None),
        (b"permessage-deflate; server_no_context_takeover=1", True, 15, None),
        (
            b'permessage-deflate; server_max_window_bits="10"',
            True,
            15,
            b"permessage-deflate; server_max_window_bits=10",
        ),
    ],
)
def test_the_answer_of_a_server(offered: bytes, takeover: bool, bits: int, answer: bytes | None) -> None:
    offers = deflate_offers(parse(offered))
    accepted = accept(offers, takeover=takeover, bits=bits)
    assert (None if accepted is None else encode_extensions([accepted])) == answer
    assert accepted is None or is_answer_to(offers, accepted)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([SERVER_BITS, CLIENT_BITS, NO_SERVER, NO_CLIENT]),
            st.sampled_from([None, b"8", b"9", b"12", b"15"]),
        ),
        max_size=3,
    ),
    st.booleans(),
    st.integers(9, 15),
)
def test_every_answer_fits_an_offer(parameters: list[Parameters], takeover: bool, bits: int) -> None:
    offers = deflate_offers([(DEFLATE, each) for each in parameters])
    accepted = accept(offers, takeover=takeover, bits=bits)
    if accepted is None:
        assert all(offered.get(SERVER_BITS) == b"8" for _, offered in offers)
        return
    assert is_answer_to(offers, accepted)
    agreed = terms(accepted[1])
    assert 9 <= agreed.server_bits <= bits
    assert takeover or not (agreed.client_takeover or agreed.server_takeover)


@pytest.mark.parametrize(
    ("takeover", "bits", "offered"),
    [
        (True, 15, b"permessage-deflate; client_max_window_bits"),
        (True, 10, b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"),
        (
            False,
            15,
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, "
            b"permessage-deflate; client_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_the_offers_to_a_backend(takeover: bool, bits: int, offered: bytes) -> None:
    mine = offers(takeover=takeover, bits=bits)
    assert encode_extensions(mine) == offered
    assert deflate_offers([*mine]) == mine
    answer = accept(mine, takeover=True)
    assert answer is not None
    assert is_answer_to(mine, answer)


def test_a_backend_that_does_not_repeat_what_it_was_asked_for() -> None:
    """tornado; the gateway keeps to its own offer, and expects references from the backend (RFC 7692 §7.1.1.2)."""
    mine = offers(takeover=False)
    assert is_answer_to(mine, (DEFLATE, {}))
    assert terms({}, mine[0][1]) == DeflateTerms(client_takeover=False, server_takeover=True)
    assert terms({}, offers(takeover=True)[0][1]) == terms({}) == DeflateTerms()


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (b"permessage-deflate", DeflateTerms(True, True, 15, 15)),
        (D + b"client_no_context_takeover", DeflateTerms(False, True, 15, 15)),
        (D + b"server_no_context_takeover", DeflateTerms(True, False, 15, 15)),
        (b"permessage-deflate; client_max_window_bits=9; server_max_window_bits=8", DeflateTerms(True, True, 9, 8)),
    ],
)
def test_the_meaning_of_an_answer(answer: bytes, meaning: DeflateTerms) -> None:
    assert terms(only(answer)[1]) == meaning


# -- with another implementation at the other end ----------------------------------------------------------------------

# This one refuses the window of 8 bits, as zlib does.
SIDES = st.fixed_dictionaries(
    {"server_no_context_takeover": st.booleans(), "client_no_context_takeover": st.booleans()},
    optional={"server_max_window_bits": st.integers(9, 15), "client_max_window_bits": st.integers(9, 15)},
)


def written(parameters: Sequence[ExtensionParameter]) -> bytes:
    return build_extension([(ExtensionName(DEFLATE.decode()), list(parameters))]).encode()


def read_by_library(value: bytes) -> list[Sequence[ExtensionParameter]]:
    return [parameters for _, parameters in parse_extension(value.decode())]


@given(SIDES, st.booleans(), st.booleans(), st.integers(9, 15))
def test_a_client_takes_the_answer_and_means_the_same(
    asked: dict[str, Any], supports_bits: bool, takeover: bool, bits: int
) -> None:
    """Offer of the library, answer of the gateway."""
    client = ClientPerMessageDeflateFactory(**{"client_max_window_bits": supports_bits or None, **asked})
    answer = accept(deflate_offers(parse(written(client.get_request_params()))), takeover=takeover, bits=bits)
    assert answer is not None
    (parameters,) = read_by_library(encode_extensions([answer]))
    found = client.process_response_params(parameters, [])
    agreed = terms(answer[1])
    assert agreed.client_takeover is not found.local_no_context_takeover
    assert agreed.server_takeover is not found.remote_no_context_takeover
    assert (agreed.client_bits, agreed.server_bits) == (found.local_max_window_bits, found.remote_max_window_bits)


@given(SIDES, st.booleans(), st.integers(9, 15))
def test_a_server_answers_the_offers_and_means_the_same(asked: dict[str, Any], takeover: bool, bits: int) -> None:
    """Offers of the gateway, answer of the library."""
    server = ServerPerMessageDeflateFactory(**asked)
    mine = offers(takeover=takeover, bits=bits)
    parameters, found = server.process_request_params(read_by_library(encode_extensions(mine))[0], [])
    answer = only(written(parameters))
    assert is_answer_to(mine, answer)
    agreed = terms(answer[1], mine[0][1])
    assert agreed.client_takeover is not found.remote_no_context_takeover
    assert agreed.server_takeover is not found.local_no_context_takeover
    assert (agreed.client_bits, agreed.server_bits) == (found.remote_max_window_bits, found.local_max_window_bits)
