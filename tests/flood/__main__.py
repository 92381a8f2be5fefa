"""``python -m tests.flood [FLOOD...] [--seconds S]``: runs each flood, and prints the longest waits of the others.

Exit status: 0 all were served, and nothing of a flood is left; 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .floods import FLOODS
from .run import flooded_gateway


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flood", description=__doc__)
    parser.add_argument("floods", nargs="*", metavar="FLOOD", help=f"of: {'; '.join(FLOODS)}. All by default")
    parser.add_argument("--seconds", type=float, default=10, help="how long each (10)")
    options = parser.parse_args(arguments)
    if unknown := set(options.floods) - FLOODS.keys():
        parser.error(f"no flood {', '.join(sorted(unknown))}")
    print(f"{'':40} {'served':>7} {'message':>9} {'newcomer':>9} {'password':>9} {'memory':>9}")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="wsgate-flood-") as directory, flooded_gateway(Path(directory)) as gateway:
        for name in options.floods or FLOODS:
            end = time.monotonic() + options.seconds
            try:
                outcome = gateway.flood(name, lambda _, end=end: time.monotonic() < end)  # type: ignore[misc]
            except (OSError, EOFError, AssertionError) as error:
                print(f"{name:40} WRONG: {type(error).__name__}: {str(error)[:1000]}", flush=True)
                wrong += 1
                continue
            times = (outcome.message, outcome.newcomer, outcome.password)
            shown = " ".join(f"{1000 * each:6.0f} ms" for each in times)
            print(f"{name:40} {outcome.served:7} {shown} {outcome.memory / (1 << 20):5.1f} MiB", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
