"""Files of frames, and that Wireshark reads them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_tap_lines import frame
from tests.peers.frames import Frame, parse_all
from wsgate.commands.capture import CONVERSION, Capture, CaptureError, frame_of

BEGIN = {"event": "begin", "id": "2-1f"}
EVENTS: list[dict[str, Any]] = [
    BEGIN,
    frame("text", b"hello"),
    frame("binary", bytes(range(20)), direction="down", time="2026-03-01T12:00:01.000001Z"),
    {"event": "dropped", "frames": 3},
    {"event": "idle"},
    frame("close", code=1000),
    {"event": "end", "reason": "closed"},
]
TEXT = f"""# wsgate tap of session 2-1f: text2pcap {" ".join(CONVERSION)} FILE OUT.pcapng

I 2026-03-01T12:00:00.123456Z
000000 81 05 68 65 6c 6c 6f

O 2026-03-01T12:00:01.000001Z
000000 82 14 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d
000010 0e 0f 10 11 12 13

# 3 frames dropped

I 2026-03-01T12:00:00.123456Z
000000 88 05 03 e8
"""


def write(path: Path, *events: dict[str, Any]) -> None:
    with Capture(str(path)) as capture:
        for event in events:
            capture.add(event)


def test_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tap.txt"
    write(file, *EVENTS)
    assert file.read_text() == TEXT
    assert file.stat().st_mode & 0o777 == 0o600  # payloads are users' own
    assert capsys.readouterr().err == f"3 frames in {file}, 3 more were dropped\n"


@pytest.mark.needs("text2pcap", "tshark")
@pytest.mark.parametrize("by_hand", [False, True])
def test_wireshark_reads_it(tmp_path: Path, by_hand: bool) -> None:
    pcapng = tmp_path / "tap.pcapng"
    if by_hand:
        write(tmp_path / "tap.txt", *EVENTS)
        subprocess.run(["text2pcap", *CONVERSION, tmp_path / "tap.txt", pcapng], check=True)
    else:
        write(pcapng, *EVENTS)
    fields = ("frame.time_epoch", "frame.packet_flags_direction", "websocket.opcode", "websocket.payload_length")
    shown = subprocess.run(
        ["tshark", "-r", pcapng, "-T", "fields", *(part for field in fields for part in ("-e", field))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["1772366400.123456000", "0x00000001", "1", "5"],
        ["1772366401.000001000", "0x00000002", "2", "20"],
        ["1772366400.123456000", "0x00000001", "8", "5"],
    ]


@pytest.mark.parametrize(
    ("event", "whole"),
    [
        (frame("text", b"x" * 300, "RSV1"), Frame(1, b"x" * 300, fin=False, rsv=4)),
        (frame("continuation", b""), Frame(0)),
        (frame("0xb", b"1", "FIN RSV1 RSV2 RSV3"), Frame(11, b"1", rsv=7)),
        (frame("close", b"\x03\xe8", code=1000), Frame(8, b"\x03\xe8")),
    ],
)
def test_a_whole_frame(event: dict[str, Any], whole: Frame) -> None:
    ((parsed, key, _),) = parse_all(frame_of(event))
    assert (parsed, key) == (whole, None)


def test_a_frame_without_its_payload() -> None:
    assert frame_of(frame("binary", size=70_000)) == bytes.fromhex("827f 0000000000011170".replace(" ", ""))


def test_an_inflated_frame_is_not_marked_as_compressed() -> None:
    ((parsed, _, _),) = parse_all(frame_of(frame("text", b"plain", flags="FIN RSV1", compressed_size=3)))
    assert (parsed.payload, parsed.rsv) == (b"plain", 0)


def test_a_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes meanwhile: it stays as it is."""
    file = tmp_path / "tap.txt"
    with Capture(str(file)) as capture:
        file.write_text("mine")
        with pytest.raises(CaptureError, match="cannot be written: File exists"):
            capture.add(BEGIN)
    with pytest.raises(CaptureError, match="it is there already: name a new file"):
        Capture(str(file))
    assert file.read_text() == "mine"


def test_no_file_without_an_event(tmp_path: Path) -> None:
    write(tmp_path / "tap.txt")
    assert list(tmp_path.iterdir()) == []


def test_no_text2pcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaptureError, match="needs text2pcap, which is not here: install Wireshark's"):
        Capture(str(tmp_path / "tap.pcapng"))


def test_a_text2pcap_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "text2pcap"
    program.write_text("#!/bin/sh\ncat >/dev/null; echo no room >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CaptureError, match="text2pcap failed: no room"):
        write(tmp_path / "tap.pcapng", BEGIN)


def test_a_text2pcap_that_ends_too_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "text2pcap"
    program.write_text("#!/bin/sh\necho odd >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CaptureError, match="cannot be written: Broken pipe"):
        write_late(tmp_path / "tap.pcapng")


def write_late(path: Path) -> None:
    """Write something when text2pcap has ended."""
    with Capture(str(path)) as capture:
        capture.add(BEGIN)
        assert capture._process is not None
        capture._process.wait()
        capture.add(frame("text", b"x"))


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "open", lambda *arguments: full)
    with pytest.raises(CaptureError, match="cannot be written: No space left"):
        write(tmp_path / "tap.txt", BEGIN)
