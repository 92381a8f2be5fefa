"""Disks that hang, like a network file system without its server."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_NOSUID, _NODEV, _DETACH = 2, 4, 2  # mount(2), umount(2)


class HungDisk:
    """A file system on ``directory`` whose server never answers: every access to it waits.

    It uses FUSE without its library: the kernel's requests stay unread in ``/dev/fuse``. ``release`` makes them fail.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = os.fsencode(directory)
        try:
            self._server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            pytest.skip(f"/dev/fuse is needed: {error.strerror}")
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self._server
        if _libc.mount(b"hung", self._directory, b"fuse", _NOSUID | _NODEV, options):
            reason = os.strerror(ctypes.get_errno())
            os.close(self._server)
            pytest.skip(f"mount(2) of FUSE, by root, is needed: {reason}")

    def release(self) -> None:
        """What waits fails, and the directory is as it was before."""
        _libc.umount2(self._directory, _DETACH)
        os.close(self._server)
