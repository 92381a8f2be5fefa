"""``wsgate``, and ``python -m wsgate``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run a command and return the process's exit status."""
    # Importing takes a moment. Ctrl-C in it is no error, and an exception may be swallowed by whatever is imported then
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from wsgate import cli

    signal.signal(signal.SIGINT, before)
    return cli.main()


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
