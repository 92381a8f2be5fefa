"""``python -m tests.fuzz [TARGET...] [--seconds S | --rounds N] [--seed SEED] [--from ROUND]``

The target's name, the seed and the number of the round determine its input, so every failure can be repeated. After a
crash, to which the sanitizers turn every fault in C, the round is one of those behind the last printed line.

Exit status: 0 nothing was found; 1 something was found, and is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from .targets import NOT_COMPILED, TARGETS, play

_BATCH = 500  # rounds between two looks at the clock


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=600, help="how long in all (600)")
    parser.add_argument("--rounds", type=int, help="how many rounds of each target, instead")
    parser.add_argument("--seed", default=str(time.time_ns() % 1_000_000), help="another one each time, by default")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="ROUND", help="the first round (0)")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}")
    if NOT_COMPILED:
        print(f"what is compiled is not tried: {NOT_COMPILED}", file=sys.stderr)
    names = options.targets or list(TARGETS)
    end = time.monotonic() + options.seconds
    at = options.first
    while time.monotonic() < end if options.rounds is None else at < options.first + options.rounds:
        size = _BATCH if options.rounds is None else min(_BATCH, options.first + options.rounds - at)
        for name in names:
            print(f"{name}: seed {options.seed}, rounds {at} to {at + size - 1}", flush=True)
            for number in range(at, at + size):
                try:
                    play(name, options.seed, number)
                except Exception:  # of any kind: a parser must raise nothing else
                    print(traceback.format_exc().encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
                    again = f"python -m tests.fuzz {name} --seed {options.seed} --from {number} --rounds 1"
                    print(f"found in {name}; the same again: {again}", file=sys.stderr)
                    return 1
        at += size
    print(f"{at - options.first} rounds of each of {', '.join(names)}: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
