"""``wsgate top``: a live view of a running gateway."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wsgate.commands.admin_client import AskError, client_from
from wsgate.commands.operate import add_address, add_filters, filter_of
from wsgate.commands.table import printable
from wsgate.commands.top_asking import ask_gateway
from wsgate.commands.top_json import lines
from wsgate.commands.top_orders import BY_COLUMN, MOST, Order
from wsgate.text.duration import duration
from wsgate.text.error import TextError

INTERVAL = 2.0  # seconds between two questions
LEAST_INTERVAL = 0.1
ANSWER_TIME = 5.0  # seconds without a byte of an answer, after which the view says so
SIZE = (160, 50)  # of a screen that no terminal shows, if COLUMNS and LINES do not say another


def run(arguments: Sequence[str]) -> int:
    """Runs the command. Returns the exit status."""
    options = parser().parse_args(arguments)
    client = replace(client_from(options.admin, options.token_file), timeout=ANSWER_TIME)
    filter, order = filter_of(options), options.sort
    ask = ask_gateway(client, filter)
    if options.json:
        return _print_json(lines(ask, order, options.interval))
    try:
        # They need rich, and trio takes a moment to import
        from wsgate.commands.top_view import one_screen, watch
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        print("wsgate: top: it needs rich, not installed here: pip install 'wsgate[top]'", file=sys.stderr)
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has the character …
    interval = INTERVAL if options.interval is None else options.interval
    try:
        if sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
            return watch(client.address, filter, ask, interval, order)
        size = shutil.get_terminal_size(SIZE)
        for line in one_screen(client.address, filter, ask, interval, size, order):
            print(line)
        return 0
    except AskError as error:
        return _refuse(error)


def _print_json(snapshots: Iterator[str]) -> int:
    """Prints each when it is there, for a program that reads them. Returns the exit status."""
    try:
        for line in snapshots:
            print(line, flush=True)
    except AskError as error:
        return _refuse(error)
    except KeyboardInterrupt:  # that is how it ends
        pass
    return 0


def _refuse(error: AskError) -> int:
    print(printable(f"wsgate: top: {error}"), file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's flags."""
    parser = argparse.ArgumentParser(
        prog="wsgate top",
        description="Show what a running gateway does: its state, its backends, and the sessions that move most. "
        "Keys change the order, and q ends it. Without a terminal it prints one screen.",
        epilog=f"columns: {', '.join(BY_COLUMN)}",
    )
    add_address(parser)
    add_filters(parser)
    parser.add_argument("--interval", metavar="TIME", type=_interval, help="between two looks, like 500ms (2s)")
    parser.add_argument(
        "--sort", metavar="COLUMN", type=_order, default=MOST, help="sessions by this column (the most per second)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one snapshot as JSON, or with --interval one in each line"
    )
    return parser


def _order(text: str) -> Order:
    order = BY_COLUMN.get(text.lower())
    if order is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no column: write one of {', '.join(BY_COLUMN)}")
    return order


def _interval(text: str) -> float:
    try:
        seconds = duration(f"{text}s" if text.isdecimal() else text)
    except TextError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds < LEAST_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text} is too often: write 100ms or more")
    return seconds
