"""``wsgate top``: a live view of a running gateway."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace

from wsgate.commands.admin_client import AskError, client_from
from wsgate.commands.operate import add_address, add_filters, filter_of
from wsgate.text.duration import duration
from wsgate.text.error import TextError

INTERVAL = 2.0  # seconds between two questions
LEAST_INTERVAL = 0.1
ANSWER_TIME = 5.0  # seconds without a byte of an answer, after which the view says so
SIZE = (160, 50)  # of a screen that no terminal shows, if COLUMNS and LINES do not say another


def run(arguments: Sequence[str]) -> int:
    """Runs the command. Returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        # They need rich, and trio takes a moment to import
        from wsgate.commands.top_view import ask_gateway, one_screen, watch
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        print("wsgate: top: it needs rich, not installed here: pip install 'wsgate[top]'", file=sys.stderr)
        return 1
    client = replace(client_from(options.admin, options.token_file), timeout=ANSWER_TIME)
    filter = filter_of(options)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has the character …
    ask = ask_gateway(client, filter)
    try:
        if sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
            return watch(client.address, filter, ask, options.interval)
        size = shutil.get_terminal_size(SIZE)
        for line in one_screen(client.address, filter, ask, options.interval, size):
            print(line)
        return 0
    except AskError as error:
        print(f"wsgate: top: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's flags."""
    parser = argparse.ArgumentParser(
        prog="wsgate top",
        description="Show what a running gateway does: its state, its backends, and the sessions that move most. "
        "Keys change the order, and q ends it. Without a terminal it prints one screen.",
    )
    add_address(parser)
    add_filters(parser)
    parser.add_argument(
        "--interval", metavar="TIME", type=_interval, default=INTERVAL, help="between two looks, like 500ms (2s)"
    )
    return parser


def _interval(text: str) -> float:
    try:
        seconds = duration(f"{text}s" if text.isdecimal() else text)
    except TextError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds < LEAST_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text} is too often: write 100ms or more")
    return seconds
