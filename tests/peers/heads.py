"""The heads of requests and responses: how the tests write and read them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the Sec-WebSocket-Key of the example in RFC 6455 §1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

UPGRADE = {
    "Host": "gateway.test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(
    path: str = "/", headers: Mapping[str, str | None] = {}, *, method: str = "GET", version: str = "HTTP/1.1"
) -> bytes:
    """Returns the head of an upgrade request; ``headers`` are added, replace the usual ones, or (None) remove them."""
    return write_head(f"{method} {path} {version}", {**UPGRADE, **headers})


def plain_request(path: str = "/", host: str = "gateway.test", **headers: str) -> bytes:
    return write_head(f"GET {path} HTTP/1.1", {"Host": host, **headers})


def switching(key: str, headers: Mapping[str, str] = {}) -> bytes:
    """The 101 that answers a request with this key."""
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_value(key), **headers}
    return write_head("HTTP/1.1 101 Switching Protocols", fields)


def accept_for(head: bytes) -> bytes:
    """The 101 that a request's head asks for."""
    return switching(Head.parse(head).key)


def write_head(line: str, headers: Mapping[str, str | None]) -> bytes:
    lines = [line, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


def accept_value(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


@dataclass(frozen=True)
class Head:
    """A request's or response's first line and its header fields, in order."""

    line: str
    headers: list[tuple[str, str]]

    @classmethod
    def parse(cls, data: bytes | bytearray) -> Head:
        """Of a head's bytes, with or without the empty line at its end."""
        first, *lines = data.decode("latin-1").rstrip("\r\n").split("\r\n")
        fields = (line.partition(":") for line in lines)
        return cls(first, [(name, value.strip()) for name, _, value in fields])

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def key(self) -> str:
        key = self.one("Sec-WebSocket-Key")
        assert key is not None, self
        return key

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        """Returns the field's value, ``None`` without it; a repeated field fails the test."""
        values = self.all(name)
        assert len(values) < 2, f"{name} {len(values)} times in {self}"
        return values[0] if values else None
