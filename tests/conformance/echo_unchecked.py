"""A WebSocket backend that checks nothing: it repeats every frame as it came, unmasked, reserved bits and all.

What is refused in front of it, the gateway refused. It answers a Close with the same Close and a Ping with a Pong:
without that it would be no backend at all. Nothing is imported from the gateway or from a WebSocket library, so that
neither's opinion is here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA


async def _upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer any request with 101."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:] if line]
    (key,) = [value.strip() for name, value in fields if name.lower() == b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """A frame as its first byte, its length field (without the mask bit) and its unmasked payload."""
    first, second = await reader.readexactly(2)
    length = bytes((second & 0x7F,))
    size = length[0]
    if size > 125:
        more = await reader.readexactly(2 if size == 126 else 8)
        length += more
        size = int.from_bytes(more, "big")
    mask = await reader.readexactly(4) if second & 0x80 else b""
    payload = await reader.readexactly(size)
    if mask and size:
        stream = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")
    return first, length, payload


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _upgrade(reader, writer)
        while True:
            first, length, payload = await _read_frame(reader)
            opcode = first & 0x0F
            if opcode == _PONG:
                continue
            if opcode == _PING:
                first ^= _PING ^ _PONG
            writer.write(bytes((first,)) + length + payload)
            await writer.drain()
            if opcode == _CLOSE:
                break
    except (EOFError, ConnectionError):
        pass  # the gateway ended it, and has its own opinion why
    finally:
        writer.close()


async def main() -> None:
    # the default limit of 64 KiB is a limit on readuntil() alone, yet it also pauses large reads at twice that
    server = await asyncio.start_server(_echo, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
