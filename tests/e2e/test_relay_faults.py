"""What breaks the protocol ends its own session, by name and on both sides, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.peers.frames import BINARY, CLOSE, CONTINUATION, MASK, PING, TEXT, Frame, close_code, close_frame, header
from tests.peers.stream import Peer, open_session

from .gateway import OpenClient, OpenSession, StartSession

LIMIT = 1000


@dataclass(frozen=True)
class Case:
    """What a side sends, the code that it is told, and words of the rule that its Close and the log must name."""

    name: str
    frames: tuple[Frame, ...]
    code: int
    rule: str


FAULTS = (
    Case("reserved bit", (Frame(TEXT, b"x", rsv=4),), 1002, "reserved bits"),
    Case("reserved data opcode", (Frame(0x3, b"x"),), 1002, "reserved opcode 0x3"),
    Case("reserved control opcode", (Frame(0xB, b"x"),), 1002, "reserved opcode 0xb"),
    Case("fragmented ping", (Frame(PING, b"x", fin=False),), 1002, "fragmented control frame"),
    Case("long ping", (Frame(PING, bytes(126)),), 1002, "control frame of more than 125 bytes"),
    Case("continuation of nothing", (Frame(CONTINUATION, b"x"),), 1002, "continuation frame outside a message"),
    Case("message in a message", (Frame(TEXT, b"x", fin=False), Frame(TEXT, b"y")), 1002, "inside a fragmented"),
    Case("close of one byte", (Frame(CLOSE, b"\x03"),), 1002, "close payload of one byte"),
    Case("close code for no frame", (close_frame(1006),), 1002, "close code 1006"),
    Case("close reason that is no UTF-8", (Frame(CLOSE, b"\x03\xe8\xff"),), 1007, "close reason is not UTF-8"),
    Case("text that is no UTF-8", (Frame(TEXT, b"ok \xc0\xaf"),), 1007, "text is not UTF-8"),
    Case("text that ends too early", (Frame(TEXT, "é".encode()[:1]),), 1007, "inside a UTF-8 sequence"),
    Case(
        "text broken across fragments",
        (Frame(TEXT, "é".encode()[:1], fin=False), Frame(CONTINUATION, b"x")),
        1007,
        "text is not UTF-8",
    ),
    Case("message over the limit", (Frame(BINARY, bytes(LIMIT + 1)),), 1009, f"limit of {LIMIT} bytes"),
    Case(
        "fragments over the limit",
        (Frame(BINARY, bytes(LIMIT), fin=False), Frame(CONTINUATION, b"x")),
        1009,
        f"limit of {LIMIT} bytes",
    ),
)


async def told(peer: Peer) -> tuple[int | None, str]:
    """Code and reason of the Close that comes after whatever was on its way before the fault."""
    while (frame := await peer.receive()).opcode != CLOSE:
        pass
    return close_code(frame), frame.payload[2:].decode()


@pytest.mark.parametrize("faulty", ["client", "backend"])
async def test_faults(start_relay: StartSession, open_client: OpenClient, faulty: str) -> None:
    """One gateway takes them all, while a well-behaved session goes on beside them."""
    gateway, good_client, backend = await start_relay(limits={"message": f"{LIMIT}B"})
    good_server = await open_session(good_client, backend, "/good")
    other_is_told = 1001 if faulty == "client" else 1011
    seen, expected = {}, {}
    for number, case in enumerate(FAULTS):
        client = await open_client(gateway)
        server = await open_session(client, backend, f"/{number}")
        one, other = (client, server) if faulty == "client" else (server, client)
        await one.send(Frame(TEXT, b"before"), *case.frames, Frame(TEXT, b"after"))
        assert await other.receive() == Frame(TEXT, b"before"), case.name
        (code, reason), (other_code, _) = await told(one), await told(other)
        await client.vanish()
        await server.vanish()
        line = await gateway.session_line(path=f"/{number}")
        logged = line["client_code"], line["backend_code"]
        named = case.rule in reason, case.rule in line["detail"]
        seen[case.name] = ((code, other_code), logged if faulty == "client" else logged[::-1], line["reason"], named)
        codes = (case.code, other_is_told)
        expected[case.name] = (codes, codes, "too_big" if case.code == 1009 else "fault", (True, True))

        message = Frame(TEXT, case.name.encode())
        await good_client.send(message)
        assert await good_server.receive() == message
    assert seen == expected


@pytest.mark.parametrize(
    ("faulty", "wrong", "rule"),
    [
        ("client", Frame(TEXT, b"hello").encode(None), "client frame is not masked"),
        ("backend", Frame(TEXT, b"hello").encode(MASK), "server frame is masked"),
        ("client", header(BINARY, 125, form=16, key=MASK), "length"),
        ("client", header(BINARY, 65_535, form=64, key=MASK), "length"),
        ("client", header(BINARY, 1 << 63, form=64, key=MASK), "length"),
    ],
    ids=["unmasked", "masked", "125-in-16-bits", "65535-in-64-bits", "2^63"],
)
async def test_a_wrong_mask_or_length(open_relay: OpenSession, faulty: str, wrong: bytes, rule: str) -> None:
    gateway, client, server = await open_relay()
    one, other = (client, server) if faulty == "client" else (server, client)
    await one.write(wrong)
    assert (await one.receive_close())[0] == 1002
    assert (await other.receive_close())[0] == (1001 if faulty == "client" else 1011)
    await client.vanish()
    await server.vanish()
    assert rule in str(await gateway.session_line())


async def test_a_fault_inside_a_frame_that_is_half_passed_on(open_relay: OpenSession) -> None:
    """A Close does not fit into the middle of a frame: the backend never sees the whole of a bad message."""
    gateway, client, server = await open_relay()
    text = Frame(TEXT, b"x" * 1_000_000 + b"\xff").encode(MASK)
    await client.write(text[:100_000])
    await server.read(50_000)
    await client.write(text[100_000:])
    assert (await client.receive_close())[0] == 1007
    await client.vanish()
    assert 50_000 + len(await server.read_all()) < len(text)
    await server.vanish()
    line = await gateway.session_line()
    assert (line["client_code"], line["backend_code"]) == (1007, None)
