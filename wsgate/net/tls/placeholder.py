"""A certificate of our own until ACME has brought one: clients refuse it, and everything else is served."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence


def load_placeholder(context: ssl.SSLContext, hosts: Sequence[str]) -> None:
    """Loads a new self-signed certificate with these names. It needs the extra acme."""
    from wsgate.net.tls.self_signed import self_signed

    with _file_with(self_signed("wsgate waits for a certificate", hosts, 365)) as file:
        context.load_cert_chain(file)


@contextlib.contextmanager
def _file_with(data: bytes) -> Iterator[str]:
    """Gives the name of a file for OpenSSL, which is gone with the block. Nothing is written to a disk where it can be
    in memory: all file systems may be read-only."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("wsgate-placeholder", os.MFD_CLOEXEC), "wb") as memory:
            memory.write(data)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(data)
            file.flush()
            yield file.name
