"""``wsgate tap``: the frames of one open session as they pass."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

from wsgate.commands.admin_client import AskError, client_from
from wsgate.commands.capture import Capture, CaptureError
from wsgate.commands.operate import add_address
from wsgate.commands.tap_lines import TapLines

Event = Mapping[str, Any]


def run(arguments: Sequence[str]) -> int:
    """Runs the command. Returns the exit status."""
    options = parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every character
    client = client_from(options.admin, options.token_file)
    try:
        with ExitStack() as stack:
            uses: list[Callable[[Event, str], None]] = []
            if options.json:
                uses.append(lambda event, text: print(text, flush=True))
            elif options.write is None:
                lines = TapLines()
                uses.append(lambda event, text: _print(lines.lines(event)))
            if options.write is not None:
                capture = stack.enter_context(Capture(options.write))
                uses.append(lambda event, text: capture.add(event))
            return _watch(client.lines(f"sessions/{quote(options.id, safe='')}/tap"), uses, options.count)
    except (AskError, CaptureError) as error:
        print(f"wsgate: tap: {error}", file=sys.stderr)
        return 1


def _watch(lines: Iterator[str], uses: Sequence[Callable[[Event, str], None]], count: int | None) -> int:
    """Uses each line up to the end, so many frames, or Ctrl-C. Returns the exit status."""
    frames = 0
    try:
        for text in lines:
            event: Event = json.loads(text)
            for use in uses:
                use(event, text)
            frames += event["event"] == "frame"
            if event["event"] == "end":
                return 1 if event["reason"] == "worker" else 0
            if frames == count:
                return 0
    except KeyboardInterrupt:
        return 0
    raise AskError("the answer ended before the session: the gateway has ended, or this was read too slowly")


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, flush=True)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's flags."""
    parser = argparse.ArgumentParser(
        prog="wsgate tap",
        description="Show the frames of one open session as they pass: time, direction (up from the client), opcode, "
        "size, flags; and their payloads, if the gateway's file has admin.tap: payload. Ctrl-C ends it.",
    )
    parser.add_argument("id", metavar="ID", help="of the session, as wsgate sessions lists it")
    add_address(parser)
    parser.add_argument("--json", action="store_true", help="print the API's lines")
    parser.add_argument(
        "--write",
        metavar="FILE",
        help="a new file for the frames, which then are not printed: pcapng for Wireshark if its name ends so, which "
        "needs Wireshark's text2pcap; else the text that text2pcap takes",
    )
    parser.add_argument("--count", metavar="N", type=_count, help="end after N frames")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 63):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames: write 1 or more")
    return int(text)
