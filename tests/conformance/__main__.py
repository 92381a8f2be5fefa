"""Plays the Autobahn suite through the gateway, in every set-up, and judges the results.

``python -m tests.conformance [--full] [--write] [SET-UP...]``

Exit status: 0 every case passed or is allowed; 1 some are not; 2 it could not be run, or the usage was wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import fcntl
import functools
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import trio

import wsgate

from .install import PROJECT, NoSuite, Suite, cache, install
from .processes import RunError
from .report import Facts, page, summary
from .run import play, read_reports, suite_version
from .setups import BASIC, SET_UPS, SetUp
from .verdict import ALLOWED, FAILED, Result, failures

_PAGE = PROJECT / "docs/conformance.md"
_DEADLINE = 300.0  # seconds for one part of a run; sections 1 to 10 take about 45
_FULL_DEADLINE = 1800.0  # seconds; a part of sections 12 and 13 takes minutes

# Parts of about the same length, to be played side by side
_COMPRESSION_PARTS = (
    ("12.1.*", "12.2.*"),
    ("12.3.*", "12.4.*", "12.5.*"),
    ("13.1.*", "13.2.*"),
    ("13.3.*", "13.4.*"),
    ("13.5.*", "13.6.*", "13.7.*"),
)


async def _play_all(suite: Suite, set_ups: Sequence[SetUp], reports: Path, *, full: bool) -> dict[str, list[Result]]:
    """Results by set-up. Raises ``RunError``, when everything else is played, for the parts that could not be."""
    results: dict[str, list[Result]] = {set_up.key: [] for set_up in set_ups}
    broken: list[RunError] = []
    # A case is a dialogue: of the three programs of a run only one has work at a time
    limit = trio.CapacityLimiter(os.cpu_count() or 1)

    async def part(set_up: SetUp, name: str, cases: Sequence[str], deadline: float) -> None:
        async with limit:
            directory = reports / name
            directory.mkdir()
            began = time.monotonic()
            try:
                results[set_up.key] += await play(suite, set_up, cases, directory, deadline=deadline)
            except RunError as error:  # the other parts go on: their results are wanted all the same
                broken.append(error)
            print(f"{name}: played in {time.monotonic() - began:.0f} s", flush=True)

    async with trio.open_nursery() as nursery:
        for set_up in set_ups:
            if set_up.basic:
                nursery.start_soon(part, set_up, set_up.key, BASIC, _DEADLINE)
            if full and set_up.compression:
                for number, cases in enumerate(_COMPRESSION_PARTS, 1):
                    nursery.start_soon(part, set_up, f"{set_up.key}-compression{number}", cases, _FULL_DEADLINE)
    if broken:
        raise RunError("\n".join(map(str, broken)))
    return results


async def _check_libraries(suite: Suite, set_ups: Sequence[SetUp], reports: Path) -> list[str]:
    """Cases that are allowed because a library fails them must fail without the gateway too."""
    wrong = []
    for set_up in set_ups:
        cases = [case for entry in ALLOWED if entry.library and entry.set_up == set_up.key for case in entry.cases]
        if cases:
            directory = reports / f"{set_up.key}-without-gateway"
            directory.mkdir()
            alone = dataclasses.replace(set_up, route={})
            for result in await play(suite, alone, cases, directory, deadline=_DEADLINE):
                if result.grade != FAILED:
                    wrong.append(f"{set_up.key} {result.case} fails only with the gateway: not the library")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="compression too, sections 12 and 13: an hour")
    parser.add_argument("--write", action="store_true", help=f"write {_PAGE.relative_to(PROJECT)}")
    parser.add_argument("--played", action="store_true", help="play nothing: judge the reports of the last run")
    parser.add_argument("set_ups", nargs="*", metavar="SET-UP", help="a to h; all of them when left out")
    options = parser.parse_args()
    known = {set_up.key: set_up for set_up in SET_UPS}
    if not set(options.set_ups) <= set(known):
        parser.error("SET-UP is one or more of a to h")
    set_ups = [known[key] for key in sorted(set(options.set_ups))] or list(SET_UPS)
    cache().mkdir(parents=True, exist_ok=True)
    (cache() / ".gitignore").write_text("*\n")
    reports = cache() / "conformance"
    lock = (cache() / "conformance.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"conformance: another run is under way; it writes to {reports}", file=sys.stderr)
        return 2
    if not options.played:
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
    try:
        suite = install(reports)
        if options.played:
            results = {set_up.key: read_reports(suite, set_up, reports) for set_up in set_ups}
            wrong = failures(results)
        else:
            results = trio.run(functools.partial(_play_all, suite, set_ups, reports, full=options.full))
            wrong = failures(results) + trio.run(_check_libraries, suite, set_ups, reports)
    except (NoSuite, RunError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    print(summary(results))
    print("\n".join(wrong) or "no failure")
    if options.write:
        facts = Facts(
            gateway=f"wsgate {wsgate.__version__}",
            suite=f"{suite_version(suite, reports)} ({suite.source})",
            command=" ".join(["python -m tests.conformance", *["--full"] * options.full, *options.set_ups]),
            date=datetime.date.today(),
        )
        _PAGE.write_text(page(results, facts, _PAGE.read_text() if _PAGE.exists() else ""))
        print(f"written: {_PAGE.relative_to(PROJECT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
