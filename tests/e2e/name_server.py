"""A name server for one gateway, which no other process of this machine asks: names move when a test says so."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import trio

from tests.programs import find

_A, _RESPONSE, _FAILURE, _NAME_ERROR = 1, 0x8180, 2, 3  # RFC 1035 §3.2.2, §4.1.1


class NameServer:
    """Answers with the addresses in ``names``, which a test changes; ``fails``: with an error of its own."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self.names = dict(names)
        self.fails = False
        # Port 53, the only one that the resolver asks, at an address that only this test has
        self.address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
            await sock.bind((self.address, 53))
            task_status.started()
            while True:
                question, client = await sock.recvfrom(512)
                await sock.sendto(self._answer(question), client)

    def prefix(self, directory: Path) -> list[str]:
        """Returns a command that runs the command behind it with this name server alone. Only root may do so."""
        unshare = find("unshare")
        assert unshare is not None
        if os.geteuid() != 0:
            pytest.skip("only root may give a process an /etc/resolv.conf of its own")
        file = directory / "resolv.conf"
        file.write_text(f"nameserver {self.address}\noptions timeout:1 attempts:1\n")
        return [unshare, "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(file)]

    def _answer(self, question: bytes) -> bytes:
        labels = []
        at = 12
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += 1 + size
        (kind,) = struct.unpack_from("!H", question, at + 1)
        name = ".".join(labels)
        found = self.names.get(name, ()) if kind == _A and not self.fails else ()
        error = _FAILURE if self.fails else 0 if name in self.names else _NAME_ERROR
        head = question[:2] + struct.pack("!5H", _RESPONSE | error, 1, len(found), 0, 0)
        records = [struct.pack("!3HIH", 0xC00C, _A, 1, 0, 4) + bytes(map(int, address.split("."))) for address in found]
        return b"".join([head, question[12 : at + 5], *records])
