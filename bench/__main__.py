"""``python -m bench``: see ``--help``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import generator, machine, markdown, plots, report, results
from bench.measure import Measured, Plan, cores, measure, rounds
from bench.processes import alone
from bench.proxies import BUILD
from bench.results import Run
from bench.rows import ROWS, Row

# Many short rounds instead of a few long ones: a disturbance hits only one or two, which the median leaves out.
SECONDS, ROUNDS = 0.3, 7
QUICK_SECONDS, QUICK_ROUNDS = 0.15, 3
WARM_UP = 0.1  # seconds, after which Python's interpreter has specialised its code and every buffer has been used


def main(words: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    options = _parser().parse_args(words)
    if options.list:
        for row in ROWS:
            print(f"{row.name:14} {row.title}")
        return 0
    unknown = sorted(set(options.rows or ()) - {row.name for row in ROWS})
    if unknown:
        print(f"bench: no row {', '.join(unknown)}; --list shows all", file=sys.stderr)
        return 2
    if options.again:
        run = results.load(options.again)
    else:
        chosen = [row for row in ROWS if (row.name in options.rows if options.rows else row.quick or not options.quick)]
        plan = Plan(
            seconds=options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
            warm_up=WARM_UP,
            repetitions=options.repetitions or (QUICK_ROUNDS if options.quick else ROUNDS),
            cores=cores(),
        )
        # at a signal to end, it ends the programs that it has started
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(BUILD))
            except BlockingIOError:
                print("bench: another run is under way on this machine; two would measure each other", file=sys.stderr)
                return 1
            run = _run(chosen, plan, shlex.join(["python", "-m", "bench", *words]))
        kind = "rows" if options.rows else "quick" if options.quick else "whole"
        results.save(run, options.results or BUILD / f"{kind}.json")
        if options.rows and (options.markdown or options.plots):
            print("bench: tables and plots are left as they are: this was a part of the rows", file=sys.stderr)
            return 0
    files = plots.write(run, options.plots) if options.plots else []
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        beside = os.path.relpath(options.plots or ".", options.markdown.parent)
        markdown.write(run, options.markdown, [f"{beside}/{file}" for file in files])
    return 0


def _run(chosen: Sequence[Row], plan: Plan, command: str) -> Run:
    if not plan.cores.apart:
        print("bench: one core only: proxy and load share it, and the figures mean little", file=sys.stderr)
    facts = machine.facts(command)
    generator.build()
    say = report.progress(sys.stderr)
    began = time.monotonic()
    done: list[Measured] = []
    with generator.backends(frozenset({plan.cores.load})) as (backend, roles):
        for row in chosen:
            done.append(measure(row, plan, backend, roles, say))
            say("")
            print(report.text(done[-1]), flush=True)
    facts["took"] = f"{time.monotonic() - began:.0f} s"
    facts["rounds"] = rounds(plan)
    if facts["code"] != machine.code():
        facts["code"] = results.CHANGED
    run = Run(facts, done)
    facts["disturbed"] = run.disturbance or "no"
    print("\n".join(f"{name:12} {fact}" for name, fact in facts.items()))
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="wsgate against nginx, HAProxy and websockify: the same work, one core each, in alternation.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="the rows that matter most, in few rounds: about a minute")
    add("--rows", nargs="+", metavar="ROW", help="only these rows")
    add("--list", action="store_true", help="the names of the rows")
    add("--seconds", type=float, metavar="S", help="how long each measurement lasts")
    add("--repetitions", type=int, metavar="N", help="how many rounds; of slices there are five times as many")
    add("--markdown", type=Path, metavar="FILE", help="put the tables into this page, between its marks")
    add("--plots", type=Path, metavar="DIR", help="draw the plots into this directory")
    add("--results", type=Path, metavar="FILE", help="where the numbers are kept (build/bench/whole.json and its like)")
    add("--again", type=Path, metavar="FILE", help="no new run: tables and plots of these kept numbers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
