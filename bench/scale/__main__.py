"""``python -m bench.scale``: see ``--help``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import generator, machine
from bench.processes import NotStarted, alone
from bench.proxies import BUILD, PROJECT, find
from bench.scale import network, plot, report
from bench.scale.claims import claims
from bench.scale.phases import Run
from bench.scale.plan import Plan

INSIDE = "--inside"  # the new namespaces, which the program enters itself
RESERVE = 2000  # descriptors of a balancer beside its sessions
NICE = -10  # a program that waits for a core is late, and then does at once what was to be done one by one


def main(words: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    options = _parser().parse_args(words)
    if not options.inside:
        return _enter(words, _directory(options))
    plan = dataclasses.replace(Plan(), **{name: value for name, value in vars(options).items() if name in _SIZES})
    if why_not := _too_small(plan):
        print(f"bench.scale: {why_not}", file=sys.stderr)
        return 2
    facts = machine.facts(shlex.join(["python", "-m", "bench.scale", *(each for each in words if each != INSIDE)]))
    generator.build()
    with contextlib.suppress(PermissionError):
        os.nice(NICE)
    began = time.monotonic()
    directory = _directory(options)
    try:
        story = Run(
            plan, directory, lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)
        ).play()
    except (NotStarted, TimeoutError, OSError) as error:
        print(f"bench.scale: {error}\nbench.scale: logs are in {directory}", file=sys.stderr)
        return 1
    facts["took"] = f"{time.monotonic() - began:.0f} s"
    found = claims(story)
    print(report.text(story, found))
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        options.plot.write_text(plot.draw(story))
    if options.markdown:
        report.write(story, found, facts, options.markdown)
    return 0 if all(each.holds for each in found) else 1


def _directory(options: argparse.Namespace) -> Path:
    directory: Path | None = options.directory
    return directory or BUILD / "run" / "scale"


def _enter(words: Sequence[str], directory: Path) -> int:
    """Runs this program once more, in new namespaces, which end with it."""
    missing = [*network.missing(), *([] if find("haproxy") else ["haproxy"])]
    if missing or os.geteuid() != 0:
        why = f"not installed: {', '.join(missing)}" if missing else "only root may make network namespaces"
        print(f"bench.scale: {why}", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(directory))
        except BlockingIOError:
            print(f"bench.scale: another run is under way in {directory}", file=sys.stderr)
            return 1
        command = network.enter([sys.executable, "-m", "bench.scale", INSIDE, *words])
        # in a session of its own: a Ctrl-C ends it by KILL, which takes all of its processes with it
        inside = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, start_new_session=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            return inside.wait()
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        finally:
            inside.kill()
            inside.wait()


def _too_small(plan: Plan) -> str:
    """Returns why this machine cannot carry a plan; empty if it can."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = max(plan.sessions, 2 * plan.sessions // plan.balancers, 2 * plan.cap) + RESERVE
    if needed > allowed != resource.RLIM_INFINITY:
        return f"{needed} descriptors are needed in one process and {allowed} allowed: raise ulimit -Hn"
    return ""


_SIZES = {each.name: each.type for each in dataclasses.fields(Plan)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description="Several replicas behind HAProxy: restarted, one dead, one added. Status 1: a claim does not hold.",
        epilog="As root. It leaves nothing behind: all that it makes is in namespaces of its own.",
    )
    add = parser.add_argument
    for each in dataclasses.fields(Plan):
        default = getattr(Plan(), each.name)
        add(f"--{each.name}", type=type(default), default=default, metavar="N", help=f"{default:g}")
    add("--markdown", type=Path, metavar="FILE", help="put the tables into this page, between its marks")
    add("--plot", type=Path, metavar="FILE", help="draw the sessions of each replica into this SVG file")
    add("--directory", type=Path, metavar="DIR", help="for the configurations and logs (build/bench/run/scale)")
    add(INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
