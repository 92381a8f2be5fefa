"""Parses a stream of frames by three parsers to the same list of events: by the gateway's walk, wsproto and websockets.

An event is a finished message or a control frame, as ``(opcode, payload)``. A reading ends at a Close, at a fault, or
at the end of the bytes; an unfinished message is no event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from websockets.frames import Frame
from websockets.protocol import Protocol, Side
from wsproto.frame_protocol import FrameProtocol, ParseFailed
from wsproto.frame_protocol import Opcode as WsprotoOpcode

from tests.peers.frames import BINARY, CLOSE, TEXT, parse_all
from wsgate.wire.close import parse_close
from wsgate.wire.fault import Fault
from wsgate.wire.walk import FrameWalk

from ..wire.drive import drive

Event = tuple[int, bytes]


@dataclass
class Reading:
    """fault: the close code with which the reader would fail the connection; rule: the gateway's text"""

    events: list[Event] = field(default_factory=list)
    fault: int | None = None
    rule: str = field(default="", compare=False)


Reader = Callable[[Sequence[bytes], bool], Reading]  # (pieces, masked)


def read_with_walk(pieces: Sequence[bytes], masked: bool) -> Reading:
    """What goes on behind a relay, decoded by a decoder that trusts it, and what its flow does with a Close."""
    seen = drive(FrameWalk(masked=masked), pieces)
    events = decode(seen.passed)
    assert [event for event in events if event[0] > BINARY] == [each for each in seen.controls if each[0] != CLOSE]
    assert len([event for event in events if event[0] <= BINARY]) == seen.messages
    fault = seen.fault
    if seen.controls and seen.controls[-1][0] == CLOSE:
        close = parse_close(seen.controls[-1][1])
        if isinstance(close, Fault):
            fault = close
        else:
            events.append(seen.controls[-1])
    return Reading(events) if fault is None else Reading(events, int(fault.code), fault.rule)


def decode(data: bytes) -> list[Event]:
    """The events of valid frames: no check, no state but the message under way."""
    events: list[Event] = []
    opcode, message = 0, b""
    for frame, _, _ in parse_all(data):
        if frame.opcode > BINARY:
            events.append((frame.opcode, frame.payload))
            continue
        opcode, message = frame.opcode or opcode, (b"" if frame.opcode else message) + frame.payload
        if frame.fin:
            events.append((opcode, message))
    return events


def read_with_wsproto(pieces: Sequence[bytes], masked: bool) -> Reading:
    protocol = FrameProtocol(client=not masked, extensions=[])
    reading = Reading()
    message = b""
    try:
        for piece in pieces:
            protocol.receive_bytes(piece)
            for frame in protocol.received_frames():
                opcode, payload = frame.opcode, frame.payload
                if opcode is WsprotoOpcode.CLOSE:
                    assert isinstance(payload, tuple)
                    code, reason = payload
                    # it has only 1005 for "no code", which cannot occur in a frame
                    reading.events.append((CLOSE, b"" if code == 1005 else code.to_bytes(2, "big") + reason.encode()))
                    return reading
                assert not isinstance(payload, tuple)
                data = payload.encode() if isinstance(payload, str) else bytes(payload)
                if opcode.iscontrol():
                    reading.events.append((int(opcode), data))
                    continue
                message += data
                if frame.message_finished:
                    reading.events.append((int(opcode), message))
                    message = b""
    except ParseFailed as error:
        reading.fault = int(error.code)
    return reading


def read_with_websockets(pieces: Sequence[bytes], masked: bool) -> Reading:
    """Its sans-I/O half has frames only; it leaves messages, and so UTF-8, to what is above: here, to us."""
    protocol = Protocol(Side.SERVER if masked else Side.CLIENT, max_size=None)
    reading = Reading()
    opcode, message = 0, b""
    for piece in pieces:
        protocol.receive_data(piece)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            data = bytes(frame.data)
            if frame.opcode > BINARY:
                reading.events.append((int(frame.opcode), data))
                continue
            opcode, message = int(frame.opcode) or opcode, message + data
            if frame.fin:
                if opcode == TEXT and not _is_utf8(message):
                    reading.fault = 1007
                    return reading
                reading.events.append((opcode, message))
                message = b""
        received = protocol.close_rcvd
        if received is not None:
            if protocol.parser_exc is not None:  # a Close inside a fragmented message, which it takes for a fault
                code = b"" if received.code == 1005 else received.code.to_bytes(2, "big")
                reading.events.append((CLOSE, code + received.reason.encode()))
            return reading
        if protocol.parser_exc is not None:
            assert protocol.close_sent is not None
            reading.fault = int(protocol.close_sent.code)
            return reading
    return reading


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
