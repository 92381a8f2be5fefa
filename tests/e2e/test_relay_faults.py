"""What breaks the protocol ends its own session, by name and on both sides, and nothing else."""

from __future__ import annotations

import pytest

from tests.hostile.faults import BAD_TEXT, FAULTS, LIMIT
from tests.peers.frames import CLOSE, MASK, TEXT, Frame, close_code
from tests.peers.stream import Peer, open_session

from .gateway import OpenClient, OpenSession, StartSession

CASES = {**FAULTS, "a byte that is never in UTF-8": (BAD_TEXT["a byte that never is"], 1007)}


async def told(peer: Peer) -> tuple[int | None, str]:
    """Returns code and reason of the Close behind everything that was sent before the fault."""
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
    for number, (name, (wrong, code)) in enumerate(CASES.items()):
        client = await open_client(gateway)
        server = await open_session(client, backend, f"/{number}")
        one, other = (client, server) if faulty == "client" else (server, client)
        before, after = Frame(TEXT, b"before").encode(one.mask), Frame(TEXT, b"after").encode(one.mask)
        await one.write(before + wrong(one.mask) + after)
        assert await other.receive() == Frame(TEXT, b"before"), name
        (told_code, reason), (other_code, _) = await told(one), await told(other)
        await client.vanish()
        await server.vanish()
        line = await gateway.session_line(path=f"/{number}")
        logged = line["client_code"], line["backend_code"]
        seen[name] = ((told_code, other_code), logged if faulty == "client" else logged[::-1], line["reason"])
        expected[name] = ((code, other_is_told),) * 2 + ("too_big" if code == 1009 else "fault",)
        assert line["detail"] == reason  # the log and the faulty side get the same rule
        assert reason

        message = Frame(TEXT, name.encode())
        await good_client.send(message)
        assert await good_server.receive() == message
    assert seen == expected


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
