from __future__ import annotations

import os

import pytest
import trio
import trio.testing

from wsgate.site.wakeup import Wakeup


def test_what_it_was_woken_for() -> None:
    wakeup = Wakeup()
    assert not wakeup.take()
    wakeup.wake()
    wakeup.wake()
    assert not wakeup.take()
    wakeup.wake(is_left=True)
    wakeup.wake()
    assert wakeup.take()
    assert not wakeup.take()


@pytest.mark.parametrize("is_left", [False, True])
def test_a_process_that_does_not_wake_up(is_left: bool) -> None:
    wakeup = Wakeup()
    os.eventfd_write(wakeup.fd, 2**64 - 2)
    wakeup.wake(is_left=is_left)
    assert wakeup.take()


async def test_from_another_process() -> None:
    wakeup = Wakeup()

    def wake() -> None:
        child = os.fork()
        if not child:
            wakeup.wake()
            os._exit(0)
        os.waitpid(child, 0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.lowlevel.wait_readable, wakeup.fd)
        await trio.testing.wait_all_tasks_blocked()
        wake()


def test_its_descriptor_is_closed() -> None:
    wakeup = Wakeup()
    fd = wakeup.fd
    del wakeup
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
