"""The opening handshake (RFC 6455 §4) in both roles.

As a server, ``check_upgrade`` checks a client's request (§4.2.1) and ``accept_headers`` answers it (§4.2.2). As a
client, ``BackendHandshake`` asks a backend for the same session (§4.1) and checks its answer.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.text.subprotocol import is_subprotocol
from wsgate.wire.client import Answer, BadAnswer, HttpClient, Switched
from wsgate.wire.extensions import Extension, deflate_offers, encode_extensions, is_answer_to, parse_extensions
from wsgate.wire.forwarding import via
from wsgate.wire.head import MAX_HEAD
from wsgate.wire.headers import Headers, Names, elements, end_to_end, has_token, values
from wsgate.wire.http import Refusal, Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # §1.3


def accept_value(key: bytes) -> bytes:
    """Returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key (§4.2.2)."""
    return binascii.b2a_base64(hashlib.sha1(key + _GUID).digest(), newline=False)


@dataclass(slots=True)
class Upgrade:
    """What a well-formed upgrade request asks for.

    key: its Sec-WebSocket-Key, in base64
    subprotocols: in the client's order of preference
    deflate: its well-formed offers of permessage-deflate
    """

    key: bytes
    subprotocols: tuple[bytes, ...]
    deflate: list[Extension]


def check_upgrade(request: Request) -> Upgrade | Refusal | None:
    """Returns the upgrade that a request asks for, a refusal if it is malformed, ``None`` if it is plain HTTP."""
    headers = request.headers
    if not has_token(headers, b"upgrade", b"websocket"):
        return None
    if request.method != b"GET":
        return Refusal(405, "the method of a WebSocket handshake is GET", ((b"Allow", b"GET"),))
    if request.version < b"1.1":
        return Refusal(400, "a WebSocket handshake takes HTTP/1.1")
    if not has_token(headers, b"connection", b"upgrade"):
        return Refusal(400, "Upgrade: websocket without Connection: Upgrade")
    versions = values(headers, b"sec-websocket-version")
    if len(versions) != 1:
        return Refusal(400, "a handshake has one Sec-WebSocket-Version")
    if versions[0] != b"13":
        return Refusal(426, "the WebSocket version is 13", ((b"Sec-WebSocket-Version", b"13"),))
    keys = values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return Refusal(400, "a handshake has one Sec-WebSocket-Key of 16 bytes in base64")
    subprotocols = elements(headers, b"sec-websocket-protocol")
    if not all(map(is_subprotocol, subprotocols)):
        return Refusal(400, "Sec-WebSocket-Protocol has a quote or a control character in it")
    return Upgrade(keys[0], tuple(subprotocols), deflate_offers(parse_extensions(headers)))


def _is_key(value: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except binascii.Error:
        return False


def accept_headers(upgrade: Upgrade, subprotocol: bytes | None, extensions: bytes = b"") -> list[tuple[bytes, bytes]]:
    """Returns the header fields of the 101 that accepts an upgrade.

    extensions: the value of Sec-WebSocket-Extensions; no field if empty
    """
    headers = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_value(upgrade.key)),
    ]
    if subprotocol is not None:
        headers.append((b"Sec-WebSocket-Protocol", subprotocol))
    if extensions:
        headers.append((b"Sec-WebSocket-Extensions", extensions))
    return headers


@dataclass(slots=True)
class Accepted:
    """A backend's valid 101.

    deflate: its permessage-deflate; ``None`` if it accepted none
    headers: its other end-to-end fields
    early: the bytes that came behind its head
    """

    subprotocol: bytes | None
    deflate: Extension | None
    headers: Headers
    early: bytes


@dataclass(frozen=True, slots=True)
class Declined:
    """A backend's answer that is not a 101. The client gets it.

    headers: its end-to-end fields, without Content-Length: the gateway writes its own
    body: perhaps incomplete
    detail: for the log: how the body ended, if it is incomplete
    """

    status: int
    headers: Headers
    body: bytes
    detail: str = ""


# Fields of the request that the gateway writes itself or never repeats from a client.
_OWN_FIELDS = frozenset(
    {
        b"host",
        b"content-length",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"forwarded",
        b"x-real-ip",
    }
)
_OWN_PREFIXES = (b"x-client-cert-", b"x-forwarded-")
_OWN_ANSWER_FIELDS = frozenset(
    {
        b"content-length",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
    }
)


class BackendHandshake:
    """Asks a backend for the session that a client asked the gateway for. The caller sends ``request``.

    target: the request target in origin-form
    host: the value of Host; if ``None``, the client's own
    key: a fresh Sec-WebSocket-Key (§4.1: 16 random bytes in base64); the caller makes it, to keep this file free of I/O
    written: fields that the gateway writes
    dropped: names, in lower case, of the client's fields that go no further
    max_head: bytes that each head of the answer may have
    """

    def __init__(
        self,
        request: Request,
        upgrade: Upgrade,
        *,
        target: bytes,
        key: bytes,
        written: Headers,
        dropped: Names = (),
        host: bytes | None = None,
        max_head: int = MAX_HEAD,
    ) -> None:
        self._offered = upgrade
        self._key = key
        headers = [
            (b"Host", request.host if host is None else host),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", key),
            (b"Sec-WebSocket-Version", b"13"),
            *end_to_end(request.raw_headers, _OWN_FIELDS, _OWN_PREFIXES, dropped),
            *written,
            *via(request, dropped),
        ]
        if upgrade.subprotocols:
            headers.append((b"Sec-WebSocket-Protocol", b", ".join(upgrade.subprotocols)))
        if upgrade.deflate:
            headers.append((b"Sec-WebSocket-Extensions", encode_extensions(upgrade.deflate)))
        self._client = HttpClient(target, headers, max_head, switches=True)
        self.request = self._client.request

    def receive(self, data: bytes) -> Accepted | Declined | BadAnswer | None:
        """Returns the backend's answer if ``data`` completes it, else ``None``.

        data: what the connection gave; ``b""`` is its regular end, for its loss call ``lost``
        """
        answer = self._client.receive(data)
        if isinstance(answer, Switched):
            return self._check(answer)
        return _declined(answer) if isinstance(answer, Answer) else answer

    def lost(self, why: str) -> Declined | BadAnswer:
        """The connection is lost. Returns the backend's refusal if its head has come, else ``BadAnswer``.

        why: for the log
        """
        answer = self._client.lost(why)
        return _declined(answer) if isinstance(answer, Answer) else answer

    def give_up(self) -> Declined | None:
        """The deadline has passed. Returns the backend's refusal if its head has come, else ``None``."""
        answer = self._client.give_up()
        return None if answer is None else _declined(answer)

    def _check(self, answer: Switched) -> Accepted | BadAnswer:
        """Checks a 101 by the list at the end of §4.1."""
        headers = answer.headers
        if not has_token(headers, b"upgrade", b"websocket") or not has_token(headers, b"connection", b"upgrade"):
            return BadAnswer("101 without Upgrade: websocket and Connection: Upgrade")
        if values(headers, b"sec-websocket-accept") != [accept_value(self._key)]:
            return BadAnswer("101 with a wrong Sec-WebSocket-Accept")
        # An empty field counts as absent: some servers always write one
        subprotocols = [value for value in values(headers, b"sec-websocket-protocol") if value]
        if len(subprotocols) > 1 or (subprotocols and subprotocols[0] not in self._offered.subprotocols):
            return BadAnswer("101 with a subprotocol that was not offered")
        extensions = parse_extensions(headers)
        answered = [each for each in extensions if each is not None]
        if len(answered) != len(extensions):
            return BadAnswer("101 with malformed Sec-WebSocket-Extensions")
        if len(answered) > 1:  # there is but one that is offered
            return BadAnswer("101 with more than one extension")
        if answered and not is_answer_to(self._offered.deflate, answered[0]):
            return BadAnswer("101 with an extension that was not offered")
        return Accepted(
            subprotocols[0] if subprotocols else None,
            answered[0] if answered else None,
            end_to_end(answer.raw_headers, _OWN_ANSWER_FIELDS),
            answer.early,
        )


def _declined(answer: Answer) -> Declined:
    return Declined(answer.status, end_to_end(answer.headers, _OWN_ANSWER_FIELDS), answer.body, answer.cut)


def choose_subprotocol(offered: Sequence[bytes], accepted: Sequence[bytes]) -> bytes | None:
    """Returns the first subprotocol of ``accepted`` that the client offered; ``None`` if there is none."""
    return next((name for name in accepted if name in offered), None)
