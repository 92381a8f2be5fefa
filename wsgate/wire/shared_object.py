"""Whether the file of a compiled module is whole.

The dynamic loader maps the file and trusts its header. When the file ends before what the header announces, as after a
copy onto a full disk, the first access behind the end is a SIGBUS: no ``ImportError``, but the end of the process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from importlib.machinery import PathFinder

# Where the section table begins, the size of an entry, the number of entries, by the class in the fifth byte (elf(5)).
# Linkers write this table last.
_SECTION_TABLE = {1: struct.Struct("=32xI10xHH"), 2: struct.Struct("=40xQ10xHH")}
_HEADER_SIZE = 64


def check_whole(module: str, path: Iterable[str]) -> None:
    """Checks the file that the import of a module would load.

    module: the full name
    path: ``__path__`` of its package

    Raises ``ImportError`` when the file is cut, ``OSError`` when it cannot be read. Returns also if there is no such
    file, or if it is no ELF file: the import tells that better.
    """
    spec = PathFinder.find_spec(module, list(path))
    if spec is None or spec.origin is None:
        return
    with open(spec.origin, "rb") as file:
        announced = announced_size(file.read(_HEADER_SIZE))
        size = os.fstat(file.fileno()).st_size
    if size < announced:
        raise ImportError(f"{spec.origin} is cut, it has {size} bytes of {announced}: install wsgate anew")


def announced_size(header: bytes) -> int:
    """Returns the least size of a file with this header, in bytes; 0 for one that is no whole ELF header."""
    if len(header) < _HEADER_SIZE or not header.startswith(b"\x7fELF") or header[4] not in _SECTION_TABLE:
        return 0
    start, entry_size, entries = _SECTION_TABLE[header[4]].unpack_from(header)
    end: int = start + entry_size * entries
    return end
