"""Shows or serves the configuration that a command line stands for, with errors in terms of its flags."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TextIO, TypeVar

from wsgate import app
from wsgate.settings.draft import Draft
from wsgate.settings.load import ConfigError, reads
from wsgate.settings.model import Address, Settings, TcpAddress
from wsgate.settings.problem import Problem
from wsgate.site.build import try_out


class UsageError(Exception):
    """The command line is wrong; the message says in one line why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line and the configuration that it stands for.

    command: its name, like ``wsgate tunnel``
    text: the configuration
    flag_of: the flag from which a value of the configuration came, by a regular expression for the value's path; the
        first that is found counts
    """

    command: str
    text: str
    flag_of: Sequence[tuple[str, str]]

    def show(self) -> int:
        """Prints the configuration if it can be served. Returns the exit status."""
        try:
            try_out(self._draft())
        except ConfigError as error:
            return self._explain(error)
        sys.stdout.write(self.text)
        return 0

    def serve(self, announce: Callable[[Settings, Address], str], log_file: str | None = None) -> int:
        """Serves the configuration. Returns the exit status.

        announce: returns what is printed when it serves, from the settings and the address that is bound
        log_file: to which the log is appended; ``None``: it goes to standard error
        """
        with contextlib.ExitStack() as stack:
            try:
                draft = self._draft()
                log = None if log_file is None else stack.enter_context(_opened(log_file))
                return app.serve(draft, ready=partial(self._announce, announce, draft), log=log)
            except ConfigError as error:
                return self._explain(error)
            except UsageError as error:
                return refuse(self.command, str(error))

    def _draft(self) -> Draft:
        return reads(self.text, f"{self.command.replace(' ', '-')}.yaml")

    def _explain(self, error: ConfigError) -> int:
        for problem in error.problems:
            refuse(self.command, self._in_flags(problem))
        return 2

    def _in_flags(self, problem: Problem) -> str:
        flag = next((flag for pattern, flag in self.flag_of if re.search(pattern, problem.path)), problem.path)
        return f"{flag}: {problem.message}" if flag else problem.message

    def _announce(self, announce: Callable[[Settings, Address], str], draft: Draft, bound: list[Address]) -> None:
        # Written in one call with its line break, because a thread may write the log to the same terminal
        print(f"{self.command}: {announce(draft.settings, bound[0])}\n", end="", flush=True)


class CommonFlags(Protocol):
    """The flags that every such command has.

    log_file: to which the log is appended
    show_config: print the configuration, and do nothing else
    """

    @property
    def log_file(self) -> str | None: ...
    @property
    def show_config(self) -> bool: ...


F = TypeVar("F", bound=CommonFlags)


def run_line(
    arguments: Sequence[str],
    command: str,
    flag_of: Sequence[tuple[str, str]],
    parse: Callable[[Sequence[str]], F],
    to_yaml: Callable[[F], str],
    announce: Callable[[F, Settings, Address], str],
) -> int:
    """Serves the configuration that a command line stands for, or shows it. Returns the exit status.

    command, flag_of: as in ``CommandLine``
    parse: returns the flags; may raise ``UsageError``
    to_yaml: returns the configuration that they stand for; may raise ``UsageError``
    announce: returns what is printed when it serves, from the flags, the settings and the address that is bound
    """
    try:
        flags = parse(arguments)
        line = CommandLine(command, to_yaml(flags), flag_of)
    except UsageError as error:
        return refuse(command, str(error))
    return line.show() if flags.show_config else line.serve(partial(announce, flags), flags.log_file)


def refuse(command: str, message: str) -> int:
    """Prints what is wrong with a command line. Returns the exit status."""
    print(f"{command}: {message}", file=sys.stderr)
    return 2


def reachable(bound: TcpAddress) -> TcpAddress:
    """Returns an address that a browser on this machine can open, also for a bind to all addresses."""
    return TcpAddress("localhost", bound.port) if bound.host in ("0.0.0.0", "::") else bound


def _opened(file: str) -> contextlib.AbstractContextManager[TextIO]:
    try:
        return open(file, "a", encoding="utf-8", buffering=1, opener=_open)
    except OSError as error:
        reason = "it is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
        raise UsageError(f"--log-file: cannot write {file!r}: {reason}") from None


def _open(path: str, flags: int) -> int:
    """Like ``os.open``, but raises ENXIO for a pipe without a reader instead of waiting (fifo(7))."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
