"""The soak for a few rounds, the same each time; and that it sees what stays behind, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from .run import GROWTH, Soak, soak
from .watch import Held, Log


@pytest.mark.parametrize("workers", [1, 2])
async def test_for_a_few_rounds(tmp_path: Path, workers: int) -> None:
    """Memory, descriptors and threads are what they were, and each connection has its line in the log."""
    rounds = 4 if workers == 1 else 2
    done = await soak(tmp_path, "0", lambda done: done.rounds < rounds, lambda _: None, visits=100, workers=workers)
    assert done.verdict() == []
    assert (done.rounds, done.reloads) == (rounds, rounds)


def held(**more: int) -> Held:
    return Held(**{"processes": 1, "descriptors": 10, "threads": 3, "memory": 20 << 20, **more})


@pytest.mark.parametrize(
    ("last", "events", "wrong"),
    [
        (held(), {}, []),
        (held(memory=(20 << 20) + GROWTH + 1), {}, ["memory has grown from 20480 to 25600 KiB"]),
        (held(threads=81), {}, ["81 threads"]),
        (held(), {"session": 9}, ["9 sessions in the log: 10 took place, and perhaps 2"]),
        (held(), {"refused": 8}, ["8 refusals in the log: 5 took place, and perhaps 2"]),
    ],
)
def test_the_verdict(last: Held, events: dict[str, int], wrong: list[str]) -> None:
    done = Soak("0", held=[held(), *[last] * 2])
    done.counts.sessions, done.counts.refusals, done.counts.perhaps = 10, 5, 2
    done.events.update({"session": 10, "refused": 7, **events})
    assert done.verdict() == wrong


def test_what_should_not_be_in_the_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    good, bad = '{"event": "listening", "level": "info", "address": "127.0.0.1:1"}', '{"event": "x", "level": "error"}'
    file.write_text(f'{good}\n{bad}\nTraceback\n{{"ev')
    log = Log(file)
    log.look()
    assert (log.addresses, log.faults) == (["127.0.0.1:1"], [bad, "Traceback"])
    log.close()
