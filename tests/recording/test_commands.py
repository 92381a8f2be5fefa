"""``wsgate recording``: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.gateway import COMMAND, ENVIRONMENT
from wsgate.cli import main
from wsgate.wire.recording import RECORD_HEADER, RecordKind, encode_end, encode_head

HEAD = encode_head({"route": "desk", "client": "192.0.2.1:5", "path": "/\x1b[2J", "subprotocol": None})
END = encode_end(2_600_000, {"cause": "closed", "ended_by": "client", "client_code": 1000})
JAVASCRIPT = "var VNC_frame_data = [\n'{0{RFB',\n'}2500}\\x00\\'',\n'EOF'];\n"


def piece(kind: RecordKind, time: int, payload: bytes) -> bytes:
    return RECORD_HEADER.pack(kind, time, len(payload)) + payload


RECORDS = piece(RecordKind.DOWN, 10, b"RFB") + piece(RecordKind.UP, 2_500_000, b"\0'")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "session.wsgate"
    file.write_bytes(HEAD + RECORDS + END)
    return file


def test_info(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recording", "info", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "route        desk",
        "client       192.0.2.1:5",
        "path         '/\\x1b[2J'",
        "subprotocol  -",
        "up           2 bytes in 1 records",
        "down         3 bytes in 1 records",
        "lasts        2.500 s to the last of them",
        "cause        closed",
        "ended_by     client",
        "client_code  1000",
    ]
    assert err == ""


def test_convert_to_standard_output(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recording", "convert", str(file)]) == 0
    assert capsys.readouterr() == (JAVASCRIPT, "")


def test_convert_to_a_file_of_its_own(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.js"
    command = ["recording", "convert", str(file), "--output", str(out)]
    assert main(command) == 0
    assert out.read_text() == JAVASCRIPT
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    # and not over those of others
    assert main(command) == 1
    assert capsys.readouterr() == ("", f"wsgate: {out}: File exists\n")


@pytest.mark.parametrize("cut", [1, len(END), len(END) + 1])
def test_a_file_that_was_cut(file: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    """All whole records are printed, and a message says that the file is incomplete."""
    file.write_bytes((HEAD + RECORDS + END)[:-cut])
    assert main(["recording", "convert", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == JAVASCRIPT if cut <= len(END) else JAVASCRIPT.replace("'}2500}\\x00\\'',\n", "")
    assert err == f"wsgate: {file} was cut: this is all up to its last whole record\n"
    assert main(["recording", "info", str(file)]) == 0
    assert "cause        unknown: the file was cut" in capsys.readouterr().out


def test_a_damaged_file(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(HEAD + RECORDS + bytes(100))
    out = tmp_path / "out.js"
    assert main(["recording", "convert", str(file), "--output", str(out)]) == 1
    place = len(HEAD + RECORDS)
    assert capsys.readouterr() == ("", f"wsgate: {file}: damaged: no record begins at byte {place}\n")
    assert not out.exists()


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recording", "info", str(tmp_path / "none")]) == 1
    assert capsys.readouterr() == ("", f"wsgate: {tmp_path / 'none'}: No such file or directory\n")


def test_a_reader_that_has_had_enough(file: Path) -> None:
    file.write_bytes(HEAD + piece(RecordKind.DOWN, 0, bytes(1 << 20)) + END)
    with subprocess.Popen(
        [*COMMAND, "recording", "convert", str(file)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"var VNC_fr"
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == b""
