"""Token sources: an answer has one meaning or is refused, in every cutting, and no message repeats it."""

from __future__ import annotations

import base64
import functools
import json
import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import jwt

from wsgate.settings.model import Jwt, TcpAddress, UnixAddress
from wsgate.site.jwt.keys import Key, read_key
from wsgate.site.tokens import file
from wsgate.site.tokens.jwt import JwtSource
from wsgate.site.tokens.source import NoTarget
from wsgate.site.tokens.values import MAX_TARGETS, Targets, client_target, target, targets
from wsgate.wire.fetch import Fetch, Fetched, Unusable
from wsgate.wire.resp import Replies, RespError

from .inputs import chance, cut, mutated, some

_SECRET = "s3cr3t-w0rd"

_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")

_TEXTS = [
    *("127.0.0.1:5900", "host.example:1", "[::1]:65535", "::1:80", "tls://a_b.c:443", "tcp://x:0", "unix:/run/a"),
    *("unix_socket:/run/../b", "127.1:80", "0x7f.1:80", "2130706433:80", "a..b:80", "-a:80", "[fe80::1%eth0]:80"),
    *('{"host": "h", "port": 5900}', '["h", "5900"]', '["h:1", ["::1", 2]]', '{"unix_socket": "/run/x"}'),
    *('{"host": "h", "port": true}', "[[[[1]]]]", "[" * 300, '"h:1"', "h:" + "9" * 5000, '{"host": "h:1"}', "", " "),
]


def values(random: Random) -> None:
    """A text names targets, or is refused with a message that repeats none of it; and target names are parsed back."""
    text = mutated(random, random.choice(_TEXTS).encode()).decode("utf-8", "surrogateescape")
    if chance(random, 4):
        text = text.replace("h", _SECRET)
    tls = chance(random, 2)
    _check(_read(targets, text, tls))
    named = _read(lambda text, tls: (client_target(text, tls),), text, tls)
    assert all(isinstance(each.address, TcpAddress) for each in named or ()), "a Unix socket is no client's to name"
    _check(named)


def _read(read: Callable[[str, bool], Targets], text: str, tls: bool) -> Targets | None:
    try:
        return read(text, tls)
    except ValueError as error:
        said = str(error)
    assert _SECRET not in said
    return None


def _check(found: Targets | None) -> None:
    if found is None:
        return
    assert 1 <= len(found) <= MAX_TARGETS
    for each in found:
        if isinstance(each.address, TcpAddress):
            assert 1 <= each.address.port <= 65535
            assert _HOST.fullmatch(each.address.host), ascii(each)
            assert target(str(each.address), each.tls) == each
        else:
            assert isinstance(each.address, UnixAddress)
            assert target(f"unix:{each.address.path}", False) == each


_LINES = [
    *(
        b"token: host:5900",
        b"a:b: [::1]:1",
        b"# said",
        b"",
        b"no colon",
        b"t: x: y",
        b": h:1",
        b"\xff: h:1",
        b"u: unix:/r",
    ),
    *(
        b"token: other:1",
        b"\xef\xbb\xbftoken: host:1",
        b"t:\th:1",
        b"t:h:1",
        b"t: tls://h:1",
        b"t: " + b"h" * 300 + b":1",
    ),
]


def lines(random: Random) -> None:
    """A file of tokens: a wrong line harms no other."""
    data = mutated(random, b"".join(line + random.choice((b"\n", b"\r\n", b"\r")) for line in some(random, _LINES, 12)))
    whole = _parsed(data)
    by_line: dict[str, Targets] = {}
    for number, line in enumerate(data.splitlines()):
        by_line |= _parsed(line if number == 0 else b"\n" + line)
    assert whole == by_line, data


def _parsed(data: bytes) -> dict[str, Targets]:
    logger = logging.getLogger("wsgate")
    was, logger.disabled = logger.disabled, True
    try:
        return file.parse("tokens", data, False)
    finally:
        logger.disabled = was


_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n127.0.0.1:5900",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n127.0.0.1:\r\n4\r\n5900\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n127.0.0.1:5900",
    b"HTTP/1.0 404 Not Found\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x28",
]


def fetches(random: Random) -> None:
    """An HTTP service's answer, ended, reset or complete: the same in every cutting; an incomplete answer is
    refused."""
    data, reset = mutated(random, random.choice(_ANSWERS)), chance(random, 2)
    if chance(random, 4):
        data = data[: random.randrange(len(data) + 1)]
    once = _fetched([data], reset)
    for _ in range(2):
        pieces = cut(random, data)
        assert _fetched(pieces, reset) == once, (data, pieces, reset)
    if reset:
        assert once in ("unusable", _fetched([data], None)), "whole without its end"


def _fetched(pieces: list[bytes], reset: bool | None) -> Fetched | str | None:
    """Returns the result of an answer whose connection was reset, ended, or (None) goes on."""
    fetch = Fetch("h", "/")
    answer = None
    for piece in filter(None, pieces):
        if (answer := fetch.receive(piece)) is not None:
            break
    if answer is None and reset is not None:
        answer = fetch.lost("reset") if reset else fetch.receive(b"")
    return "unusable" if isinstance(answer, Unusable) else answer


_REPLIES = [
    *(
        b"+OK\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b":12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$14\r\n127.0.0.1:5900\r\n",
    ),
    *(
        b"*1\r\n$1\r\nx\r\n",
        b"$99999999999\r\n",
        b"$65537\r\n",
        b"$2\r\nabc",
        b":1x\r\n",
        b"-\xff\r\n",
        b"+" + b"x" * 5000,
    ),
]


def replies(random: Random) -> None:
    """Redis's replies: the same in every cutting, and malformed bytes are refused at the same reply."""
    data = mutated(random, b"".join(some(random, _REPLIES, 5)))
    once = _replied([data])
    for _ in range(2):
        pieces = cut(random, data)
        assert _replied(pieces) == once, (data, pieces)


def _replied(pieces: list[bytes]) -> list[object]:
    reader = Replies()
    read: list[object] = []
    for piece in pieces:
        reader.receive(piece)
        try:
            while (reply := reader.next()) is not None:
                (value,) = reply
                assert value is None or isinstance(value, bytes | int | RespError)
                read.append(value)
        except ValueError:
            return [*read, "nonsense"]
    return read


_JWT_KEY = "0123456789abcdef0123456789abcdef"
_CLAIMS = {"host": "10.0.0.1", "port": 5900, "exp": 1 << 33}


@functools.cache
def _jwt_source() -> tuple[JwtSource, tuple[Key, ...]]:
    with tempfile.TemporaryDirectory() as directory:
        key = Path(directory, "key")
        key.write_text(_JWT_KEY)
        return JwtSource(Jwt(algorithms=("HS256",), key=str(key)), False), read_key(key.read_bytes(), ("HS256",))


def tokens(random: Random) -> None:
    """A signed token that was changed has the signed content, or is refused."""
    token = jwt.encode(_CLAIMS, _JWT_KEY, "HS256")
    if chance(random, 3):  # other claims, under the old signature or that of another key
        kids: tuple[object, ...] = (None, 1, "x", [])
        header = {"alg": random.choice(("HS256", "none", "RS256", "HS512")), "kid": random.choice(kids)}
        claims = {"host": "10.0.0.2", "port": 1, "exp": random.choice((1, "x", None, 1e400, 1 << 80))}
        beginning = ".".join(map(_base64url, (json.dumps(header).encode(), json.dumps(claims).encode())))
        signature = random.choice((token.rpartition(".")[2], _base64url(random.randbytes(32)), ""))
        token = f"{beginning}.{signature}"
    changed = mutated(random, token.encode()).decode("latin-1")
    source, keys = _jwt_source()
    try:
        found = source._find(changed, keys)
    except NoTarget:
        return
    assert found == targets("10.0.0.1:5900", False), changed


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
