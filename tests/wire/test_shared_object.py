"""Which files of compiled modules are told to be cut."""

from __future__ import annotations

import importlib.machinery
import struct
import sys
from pathlib import Path

import pytest

from wsgate.wire.shared_object import announced_size, check_whole

LAST = importlib.machinery.EXTENSION_SUFFIXES[-1]


def header(*, bits: int, start: int, entry_size: int, entries: int) -> bytes:
    """An ELF header, as long as that of 64 bits (elf(5))."""
    if bits == 32:
        words = struct.pack("=HHIIIIIHHHHHH", 3, 40, 1, 0, 52, start, 0, 52, 32, 7, entry_size, entries, 1)
    else:
        words = struct.pack("=HHIQQQIHHHHHH", 3, 62, 1, 0, 64, start, 0, 64, 56, 7, entry_size, entries, 1)
    return (b"\x7fELF" + bytes([bits // 32, 1, 1]).ljust(12, b"\0") + words).ljust(64, b"\0")


@pytest.mark.parametrize(("bits", "entry_size"), [(32, 40), (64, 64)])
def test_a_file_ends_with_its_section_table(bits: int, entry_size: int, tmp_path: Path) -> None:
    data = header(bits=bits, start=1000, entry_size=entry_size, entries=3)
    whole = 1000 + 3 * entry_size
    assert announced_size(data) == whole
    file = tmp_path / f"module{LAST}"
    file.write_bytes(data.ljust(whole, b"\0"))
    check_whole("module", [str(tmp_path)])
    file.write_bytes(data.ljust(whole - 1, b"\0"))
    with pytest.raises(ImportError, match=f"{file} is cut, it has {whole - 1} bytes of {whole}: install wsgate anew"):
        check_whole("module", [str(tmp_path)])


@pytest.mark.parametrize("data", [b"", b"\x7fELF\x02", b"MZ".ljust(64, b"\xff"), b"\x7fELF\x03".ljust(64, b"\xff")])
def test_what_is_no_elf_file_is_for_the_import(data: bytes) -> None:
    assert announced_size(data) == 0


def test_what_is_not_there_is_for_the_import(tmp_path: Path) -> None:
    check_whole("module", [str(tmp_path)])
    (tmp_path / "package").mkdir()
    check_whole("package", [str(tmp_path)])  # a package without a file


def test_a_file_of_this_machine_is_whole() -> None:
    announced = announced_size(Path(sys.executable).read_bytes()[:64])
    assert announced == 0 or 64 < announced <= Path(sys.executable).stat().st_size
