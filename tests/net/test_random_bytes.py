from __future__ import annotations

import os

import pytest

from wsgate.net import random_bytes as module
from wsgate.net.random_bytes import random_bytes


def test_no_bytes_are_returned_twice() -> None:
    drawn = [random_bytes(16) for _ in range(1000)]
    assert {len(each) for each in drawn} == {16}
    assert len(set(drawn)) == 1000


def test_a_system_call_is_made_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def urandom(size: int) -> bytes:
        calls.append(size)
        return bytes(size)

    monkeypatch.setattr(os, "urandom", urandom)
    monkeypatch.setattr(module, "_pool", bytearray())  # nobody gets these bytes later
    for _ in range(1000):
        random_bytes(4)
    assert len(calls) == 1


def test_a_child_draws_its_own() -> None:
    random_bytes(1)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 16) != random_bytes(16)
    os.close(read)
    os.close(write)
