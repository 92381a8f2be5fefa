"""``python -m tests.soak [--seconds S] [--workers N] [--seed SEED]``: mixed traffic, by default for twenty minutes.

Exit status: 0 nothing is left of it; 1 something is left or went wrong, and is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from .run import Soak, soak


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="how long (1200)")
    parser.add_argument("--workers", type=int, default=1, help="of the gateway (1)")
    parser.add_argument("--visits", type=int, default=1000, help="connections of one round (1000)")
    parser.add_argument("--at-once", type=int, default=60, help="how many of them side by side (60)")
    parser.add_argument("--seed", default=str(time.time_ns() % 1_000_000), help="another one each time, by default")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wsgate-soak-") as directory:
        done = trio.run(
            lambda: soak(
                Path(directory),
                options.seed,
                lambda _: time.monotonic() - began < options.seconds,
                _Report(began),
                visits=options.visits,
                at_once=options.at_once,
                workers=options.workers,
            )
        )
    print(f"{sum(done.visits.values())} visits, {done.reloads} reloads")
    for name, number in sorted(done.visits.items()):
        print(f"  {number:8} {name}")
    print("lines in the log")
    for name, number in done.events.most_common():
        print(f"  {number:8} {name}")
    wrong = done.verdict()
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    if not wrong:
        print("nothing stays, nothing went wrong")
    return 1 if wrong else 0


class _Report:
    """A line for each round."""

    def __init__(self, began: float) -> None:
        self._began = began

    def __call__(self, done: Soak) -> None:
        held = done.held[-1]
        print(
            f"{time.monotonic() - self._began:7.0f} s  round {done.rounds:4}  {sum(done.visits.values()):8} visits  "
            f"{done.counts.sessions:8} sessions  {held.memory / (1 << 20):7.1f} MiB  {held.descriptors:4} descriptors  "
            f"{held.threads:3} threads",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
