"""Texts for everything that looks at UTF-8 (RFC 3629): the edges of every length, and each way to miss them."""

VALID: list[bytes] = [
    b"",
    b"Hello",
    b"\x00\x7f",
    "\u0080\u07ff".encode(),
    "\u0800\ud7ff\ue000\uffff".encode(),  # around the surrogates; noncharacters are characters here
    "\U00010000\U0010ffff".encode(),
    "\ufeffκόσμε".encode(),
    "aé€𝄞z".encode(),
]

# with the place of the first byte that no continuation can save
INVALID: list[tuple[bytes, int]] = [
    (b"\x80", 0),  # continuation bytes with nothing to continue
    (b"ab\xbf", 2),
    (b"\xc3\xa9\xa9", 2),
    (b"\xc0\x80", 0),  # overlong
    (b"\xc1\xbf", 0),
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xed\xa0\x80", 1),  # surrogates
    (b"\xed\xbf\xbf", 1),
    (b"ok \xed\xa0\xbd\xed\xb8\x80", 4),  # a pair of them, as CESU-8 has it
    (b"\xf4\x90\x80\x80", 1),  # over U+10FFFF
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),  # lengths that RFC 3629 took away
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xc3(", 1),  # broken off inside
    (b"\xe2(\xa1", 1),
    (b"\xe2\x82(", 2),
    (b"\xf0\x9d\x84(", 3),
    (b"\xf0\x9d\xc3\xa9", 2),
]

TRUNCATED: list[bytes] = [
    b"\xc3",
    b"ok\xe2",
    b"ok\xe2\x82",
    b"\xed\x9f",
    b"\xf0",
    b"\xf0\x9d",
    b"\xf4\x8f\xbf",
]
