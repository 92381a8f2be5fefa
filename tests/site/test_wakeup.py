from __future__ import annotations

import os

import pytest
import trio
import trio.testing

from wsgate.site.wakeup import Reason, Wakeup

NONE = Reason(0)


def test_why_it_was_woken() -> None:
    wakeup = Wakeup()
    assert wakeup.take() == NONE
    for reason in Reason:
        wakeup.wake(reason)
        wakeup.wake(reason)
        assert wakeup.take() == reason
    wakeup.wake(Reason.LEFT)
    wakeup.wake(Reason.PLACE)
    assert wakeup.take() == Reason.LEFT | Reason.PLACE
    assert wakeup.take() == NONE


@pytest.mark.parametrize("reason", list(Reason))
def test_a_process_that_does_not_wake_up(reason: Reason) -> None:
    """The eventfd(2) takes no more, and nobody waits for that."""
    wakeup = Wakeup()
    os.eventfd_write(wakeup.fd, 2**64 - 2)
    wakeup.wake(reason)
    assert reason in wakeup.take()


async def test_from_another_process() -> None:
    wakeup = Wakeup()

    def wake() -> None:
        child = os.fork()
        if not child:
            wakeup.wake(Reason.PLACE)
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
