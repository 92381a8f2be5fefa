from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.text.paths import has_bad_escape, leads_out, normal, part_as_sent

NORMAL = [
    (b"/", "/"),
    (b"/chat/room", "/chat/room"),
    (b"/chat/", "/chat/"),
    (b"/a-._~!$&'()*+,;=:@", "/a-._~!$&'()*+,;=:@"),
    # what may stand for itself is decoded, all else encoded, in capitals (RFC 3986 §6.2.2.1, §6.2.2.2)
    (b"/%70rivate", "/private"),
    (b"/%7Euser", "/~user"),
    (b"/a%3bb%2A", "/a;b*"),
    (b"/a%2fb", "/a%2Fb"),
    (b"/a%2520", "/a%2520"),
    (b"/%c3%bc", "/%C3%BC"),
    (b"/\xc3\xbc", "/%C3%BC"),
    (b"/a\\b|c", "/a%5Cb%7Cc"),
    (b"/%00%3F%23", "/%00%3F%23"),
    # empty segments, then dot segments (§5.2.4)
    (b"//", "/"),
    (b"//websockify", "/websockify"),
    (b"/a///b//", "/a/b/"),
    (b"/a/../b", "/b"),
    (b"/a//../b", "/b"),
    (b"/a/b/..", "/a/"),
    (b"/a/.", "/a/"),
    (b"/..", "/"),
    (b"/../../a", "/a"),
    (b"/%2e%2E/a/%2e/b", "/a/b"),
    (b"/.%2e", "/"),
    (b"/...", "/..."),
    (b"/.a/..b", "/.a/..b"),
    (b"/a/..%2fb", "/a/..%2Fb"),
    # a malformed escape stays, and completes no other
    (b"/%zz", "/%zz"),
    (b"/%", "/%"),
    (b"/%4", "/%4"),
    (b"/%%34%31", "/%%341"),
    (b"/%4%31", "/%4%31"),
    (b"/%4%e9", "/%4%E9"),
    (b"/%\xaf%2e", "/%%AF."),
    # and it hides no dots from a server that does not normalise
    (b"/public/%/%2e%2e/%2e%2e/admin", "/admin"),
    (b"/public/%%2e/%4%2e/x", "/public/%./%4./x"),
]


@pytest.mark.parametrize(("path", "expected"), NORMAL)
def test_the_normal_form(path: bytes, expected: str) -> None:
    assert normal(path) == expected


PATHS = st.lists(
    st.sampled_from(
        [b"/", b"/", b".", b"%", b"%2e", b"%2F", b"%4", b"1", b"%31", b"a", b"%61", b"%zz", b"\xfc", b"%5c"]
    )
).map(lambda parts: b"/" + b"".join(parts))


@given(PATHS)
def test_the_normal_form_of_a_normal_form_is_itself(path: bytes) -> None:
    found = normal(path)
    assert found.startswith("/")
    assert normal(found.encode()) == found


@given(PATHS)
def test_a_normal_form_has_no_empty_and_no_dot_segments(path: bytes) -> None:
    segments = normal(path).split("/")[1:]
    assert "" not in segments[:-1]
    decoded = [unquote_to_bytes(segment) for segment in segments]
    assert not {b".", b".."} & set(decoded)


@given(PATHS.filter(lambda path: b"%%" not in path and b"%4%" not in path))
def test_escapes_that_are_decoded_mean_the_same(path: bytes) -> None:
    """A server that decodes both reads the same path, except for the removed segments."""
    if b"//" not in path and b"." not in path and b"%2e" not in path:
        assert unquote_to_bytes(normal(path)) == unquote_to_bytes(path)


@pytest.mark.parametrize(
    ("path", "bad"),
    [("/a%2F", False), ("/", False), ("/%zz", True), ("/%", True), ("/%4", True), ("/%%341", True), ("/%C3%BC", False)],
)
def test_bad_escapes(path: str, bad: bool) -> None:
    assert has_bad_escape(path) is bad


@given(PATHS, st.integers(0, 20))
def test_the_rest_leads_nowhere_else(path: bytes, at: int) -> None:
    """What is behind the prefix means what it means in the normal form, and begins no way out."""
    found = normal(path)
    prefix = found[: found.rfind("/", 0, at + 1) + 1]
    behind = part_as_sent(path, len(prefix))
    assert normal(b"/" + behind) == "/" + found[len(prefix) :]
    assert not {".", ".."} & set(normal(b"/x/" + behind).split("/"))
    assert normal(b"/x/" + behind).startswith("/x/")


@pytest.mark.parametrize(
    ("path", "start", "end", "part"),
    [
        (b"/chat/a%2bb", 6, None, b"a%2bb"),
        (b"/%63hat/%7ea", 5, None, b"/%7ea"),
        (b"/%63hat", 1, 3, b"%63h"),
        (b"/a/%zz/\xfc/%", 0, None, b"/a/%zz/\xfc/%"),
        # empty segments belong to the slash in front of them
        (b"//chat//a//b//", 5, None, b"//a//b//"),
        (b"//chat//a//b//", 6, None, b"a//b//"),
        # dot segments are left out
        (b"/x/../chat/%41/./b/%2e%2E/c", 5, None, b"/%41/c"),
        (b"/a/..", 0, None, b"/"),
        (b"/a/%2e", 0, None, b"/a/"),
        (b"/a//../b", 0, None, b"/b"),
        # a part of a percent-encoding is that of the normal form
        (b"/%2f%41", 2, 5, b"2FA"[:2] + b"%41"),
        (b"/%2f%41", 1, 3, b"%2"),
        (b"/%41%2fx", 3, 4, b"2"),
    ],
)
def test_a_part_as_it_was_sent(path: bytes, start: int, end: int | None, part: bytes) -> None:
    assert part_as_sent(path, start, end) == part


@given(PATHS, st.integers(0, 20), st.integers(0, 20))
def test_parts_make_up_the_whole(path: bytes, one: int, other: int) -> None:
    found = normal(path)
    start, end = sorted((one, other))
    parts = part_as_sent(path, 0, start), part_as_sent(path, start, end), part_as_sent(path, end)
    assert normal(b"".join(parts)) == found
    assert normal(part_as_sent(path, 0)) == found


@pytest.mark.parametrize(
    ("path", "out"),
    [
        (b"/a/b", False),
        (b"/a/.b/..c/...", False),
        (b"/a/..", True),
        (b"/./a", True),
        (b"/a/%2e./b", True),
        (b"/a%2F..%2fb", True),
        (b"/a/..%2Fb", True),
        (b"/a%5c.%2e%5Cb", True),
        (b"/a\\..\\b", True),
        (b"/a/..;x=1/b", True),
        (b"/a/.%3b", True),
        (b"/a/%252e%252e/b", False),
        (b"", False),
        (b"..", True),
    ],
)
def test_dot_segments_in_disguise(path: bytes, out: bool) -> None:
    assert leads_out(path) is out
