"""``wsgate tunnel``: a gateway with one tunnel, started by websockify's command line."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Sequence
from functools import partial

from wsgate import app
from wsgate.settings.draft import Draft
from wsgate.settings.load import ConfigError, reads
from wsgate.settings.model import Address, Files, Settings, TcpAddress, Tunnel
from wsgate.settings.problem import Problem
from wsgate.site.build import try_out
from wsgate.websockify.flags import Flags, UsageError, parse
from wsgate.websockify.translate import to_yaml

# The flag from which a value of the configuration came, by the end of its path
_FLAG_OF = (
    (r"\.bind$", "[HOST:]PORT"),
    (r"\.mode$", "--unix-listen-mode"),
    (r"\.tls\.certificate$", "--cert"),
    (r"\.tls\.key$", "--key"),
    (r"\.tls\.password_file$", "--key-password-file"),
    (r"\.tls\.ciphers$", "--ssl-ciphers"),
    (r"\.tls\.client_ca$", "--cafile"),
    (r"\.tunnel\.to\b", "target"),
    (r"\.redis\.password_file$", "--token-password-file"),
    (r"\.token\.python\b", "--token-plugin"),
    (r"\.token\b", "--token-source"),
    (r"\.record\b", "--record"),
    (r"\.(auth|origins)\b", "--auth-source"),
    (r"\.files\.root$", "--web"),
    (r"\.heartbeat\b", "--heartbeat"),
    (r"^exit_when_idle$", "--idle-timeout"),
)


def run(arguments: Sequence[str]) -> int:
    """Runs the tunnel of a command line, or shows its configuration. Returns the exit status."""
    try:
        flags = parse(arguments)
        text = to_yaml(flags)
    except UsageError as error:
        return _refuse(str(error))
    try:
        draft = reads(text, "wsgate-tunnel.yaml")
        if flags.show_config:
            try_out(draft)
            sys.stdout.write(text)
            return 0
        return _serve(flags, draft)
    except ConfigError as error:
        for problem in error.problems:
            _refuse(_explain(problem))
        return 2


def _serve(flags: Flags, draft: Draft) -> int:
    with contextlib.ExitStack() as stack:
        log = None
        if flags.log_file is not None:
            try:
                log = stack.enter_context(open(flags.log_file, "a", encoding="utf-8", buffering=1, opener=_open))
            except OSError as error:
                reason = "it is a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
                return _refuse(f"--log-file: cannot write {flags.log_file!r}: {reason}")
        return app.serve(draft, ready=partial(_announce, flags, draft), log=log)


def _open(path: str, flags: int) -> int:
    """Like ``os.open``, but raises ENXIO for a pipe without a reader instead of waiting (fifo(7))."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor


def _refuse(message: str) -> int:
    print(f"wsgate tunnel: {message}", file=sys.stderr)
    return 2


def _explain(problem: Problem) -> str:
    """Returns the message for a fault of the configuration, in terms of flags."""
    flag = next((flag for pattern, flag in _FLAG_OF if re.search(pattern, problem.path)), problem.path)
    return f"{flag}: {problem.message}" if flag else problem.message


def _announce(flags: Flags, draft: Draft, bound: list[Address]) -> None:
    # Written in one call with its line break, because a thread may write the log to the same terminal
    print(f"wsgate tunnel: {announcement(flags, draft.settings, bound[0])}\n", end="", flush=True)


def announcement(flags: Flags, settings: Settings, bound: Address) -> str:
    """Returns a text that says where the tunnel listens, where it leads, and what to open in a browser."""
    (listener,) = settings.listeners
    secure = "s" if listener.tls is not None else ""
    here = str(bound) if not isinstance(bound, TcpAddress) else f"ws{secure}://{_reachable(bound)}/"
    text = f"{here} leads to {_destination(settings)}"
    files = next((route.action for route in settings.routes if isinstance(route.action, Files)), None)
    if files is None or not isinstance(bound, TcpAddress):
        return text
    page = f"http{secure}://{_reachable(bound)}/"
    if os.path.exists(os.path.join(files.root, "vnc.html")):
        page += "vnc.html"
        if flags.token_plugin is not None and not flags.host_token:
            page += "?path=websockify%3Ftoken%3DTOKEN"
    return f"{text}; open {page}"


def _reachable(bound: TcpAddress) -> TcpAddress:
    """Returns an address that a browser on this machine can open, also for a bind to all addresses."""
    return TcpAddress("localhost", bound.port) if bound.host in ("0.0.0.0", "::") else bound


def _destination(settings: Settings) -> str:
    tunnel = settings.routes[0].action
    assert isinstance(tunnel, Tunnel)
    return str(tunnel.to[0]) if tunnel.to else "the target of its token"
