"""What a TLS client asks for in its first message, before OpenSSL sees it: the name (SNI) and the protocols (ALPN).

Only what a challenge of ACME is recognized by is read (RFC 8737 §3), and only while one is pending. OpenSSL judges the
message: what is malformed here just asks for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_SIZE = 16 << 10  # bytes of a ClientHello, with its records' heads; real ones have up to 2 KiB

_RECORD_HEAD = 5  # bytes: type, version, length (RFC 8446 §5.1)
_HANDSHAKE = 22
_MESSAGE_HEAD = 4  # bytes: type, length (RFC 8446 §4)
_CLIENT_HELLO = 1
_SERVER_NAME, _ALPN = 0, 16  # extensions (RFC 6066 §3, RFC 7301 §3.1)
_HOST_NAME = 0


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client asks for.

    server_name: the host in lower case; ``""`` for none, or for several
    protocols: those that it offers, in its order
    """

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


_NOTHING = ClientHello()


def parse(data: bytes) -> ClientHello | None:
    """Returns what the message that ``data`` begins with asks for; ``None`` while the message is incomplete.

    data: all bytes of the connection so far
    """
    message = b""
    at = 0
    while True:  # RFC 8446 §5.1: a message may be in several records
        head = data[at : at + _RECORD_HEAD]
        if head and head[0] != _HANDSHAKE:
            return _NOTHING
        if len(head) < _RECORD_HEAD:
            return None
        size = int.from_bytes(head[3:])
        at += _RECORD_HEAD
        if not size:  # RFC 8446 §5.1 forbids it
            return _NOTHING
        message += data[at : at + size]
        at += size
        if len(message) >= _MESSAGE_HEAD:
            end = _MESSAGE_HEAD + int.from_bytes(message[1:_MESSAGE_HEAD])
            if message[0] != _CLIENT_HELLO or end > MAX_SIZE:
                return _NOTHING
            if len(message) >= end:
                return _parse_message(message[_MESSAGE_HEAD:end])


def _parse_message(message: bytes) -> ClientHello:
    """RFC 8446 §4.1.2; that of TLS 1.2 is the same (RFC 5246 §7.4.1.2)."""
    fields = _Fields(message)
    names: list[bytes] = []
    protocols: list[bytes] = []
    try:
        fields.take(2 + 32)  # version, random
        fields.vector(1)  # session id
        fields.vector(2)  # cipher suites
        fields.vector(1)  # compression methods
        extensions = fields.vector(2)
        while extensions:
            kind = extensions.number(2)
            extension = extensions.vector(2)
            if kind == _SERVER_NAME:
                entries = extension.vector(2)
                while entries:
                    name_kind, name = entries.number(1), entries.vector(2)
                    if name_kind == _HOST_NAME:
                        names.append(name.rest)
            elif kind == _ALPN:
                entries = extension.vector(2)
                while entries:
                    protocols.append(entries.vector(1).rest)
    except ValueError:
        return _NOTHING
    server_name = names[0].decode("latin-1").lower() if len(names) == 1 else ""
    return ClientHello(server_name, tuple(protocols))


class _Fields:
    """Takes the fields of a message one after the other. Raises ``ValueError`` where it is too short."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def __bool__(self) -> bool:
        return bool(self.rest)

    def take(self, size: int) -> bytes:
        if len(self.rest) < size:
            raise ValueError("too short")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Fields:
        """Takes what is preceded by its length, a number of ``size`` bytes (RFC 8446 §3.4)."""
        return _Fields(self.take(self.number(size)))
