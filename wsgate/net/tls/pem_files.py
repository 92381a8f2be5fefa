"""The files of certificates, keys and CAs: each is read and parsed once, as long as it does not change.

Listeners and routes often name the same files, and each file is checked, loaded, and looked at for its dates.
"""

from __future__ import annotations

import errno
import os

from wsgate.net.tls.x509 import X509, read_pem
from wsgate.text import file as text_file

MAX_BYTES = 4 << 20  # the CAs of a whole system take a quarter of a MiB

# Changes when a file does
Stamp = tuple[object, ...]


class PemFiles:
    """What was read, for one build of the site: it may hold private keys. Not thread-safe; it reads files: call it in
    a thread."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Stamp, bytes]] = {}
        self._parsed: dict[str, tuple[bytes, list[X509]]] = {}

    def read(self, file: str) -> bytes:
        """Returns a regular file's bytes. Raises ``ValueError``, with a message for the operator, when it is none."""
        stamp = stamp_of(file)  # before it is read: what changes meanwhile is seen at the next look
        known = self._read.get(file)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            data = text_file.read_file(file, MAX_BYTES)
        except OSError as error:
            raise ValueError(text_file.explain(file, error)) from None
        self._read[file] = stamp, data
        return data

    def certificates(self, file: str) -> list[X509]:
        """Returns the certificates of a file, in order.

        Raises ``ValueError`` as ``read``, and when the file has something that is marked as a certificate and is none.
        """
        data = self.read(file)
        known = self._parsed.get(file)
        if known is None or known[0] is not data:
            known = self._parsed[file] = data, read_pem(data)
        return known[1]


def is_missing(file: str) -> bool:
    """Whether there is no such file, as far as this user may see."""
    return stamp_of(file) == (errno.ENOENT,)


def stamp_of(file: str) -> Stamp:
    """Returns a value that changes with a file, and with a symbolic link on the way to it."""
    try:
        found = os.stat(file)
    except OSError as error:
        return (error.errno,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
