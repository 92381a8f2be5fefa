"""The commands and their exit statuses."""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wsgate import __version__
from wsgate.settings.addresses import bind_address
from wsgate.settings.draft import Draft
from wsgate.settings.load import read
from wsgate.settings.model import SCHEMES_PORT, BackendTls, TcpAddress
from wsgate.settings.problem import ConfigError
from wsgate.settings.quantities import timeout
from wsgate.settings.schema import schema_text
from wsgate.text.error import TextError

if TYPE_CHECKING:
    from wsgate.site.site import Site

# 0, 1 and 2 have their usual meaning, the others are from sysexits(3)
_EPILOG = f"""\
Start with: wsgate demo

exit status:
  0   done
  1   cannot run: an address is in use, say; or sessions had to be cut
  2   wrong usage or configuration
  {os.EX_SOFTWARE}  an error of wsgate's own: please report it
  {os.EX_OSERR}  the system gives no process for a worker
  {os.EX_NOPERM}  not permitted: a port below 1024, say
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the process's exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        own = _OWN_FLAGS.get(arguments[0]) if arguments else None
        status = _run(_parse(arguments)) if own is None else own(arguments[1:])
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has closed the pipe, like head(1); at its exit Python would report it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:  # before the gateway handles signals
        return 130
    except Exception:
        traceback.print_exc()
        print("wsgate: internal error: please report it", file=sys.stderr)
        return os.EX_SOFTWARE


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    whole = parser()
    word = arguments[0] if arguments else "-"
    (commands,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    if not word.startswith("-") and word not in commands.choices:
        near = difflib.get_close_matches(word, commands.choices, 1)
        if near:
            whole.error(f"{word!r} is no command: did you mean {near[0]}?")
        if os.path.isfile(word):
            whole.error(f"{word!r} is a file and no command: did you mean wsgate serve {word}?")
    return whole.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    command: str = options.command
    if command == "serve":
        return _serve(options.file, watched=options.watch)
    if command == "check":
        return _check(options.file, options.explain, options.header, security=options.security)
    if command == "probe":
        return _probe(options)
    if command == "recording":
        return _recording(options)
    if command == "completion":
        return _completion(options.shell)
    if command == "schema":
        sys.stdout.write(schema_text())
        return 0
    return _demo(options.listen)


def _tunnel(arguments: Sequence[str]) -> int:
    from wsgate import websockify

    return websockify.run(arguments)


def _relay(arguments: Sequence[str]) -> int:
    from wsgate.commands import relay

    return relay.run(arguments)


def _operate(name: str, arguments: Sequence[str]) -> int:
    from wsgate.commands import operate

    return operate.run([name, *arguments])


def _top(arguments: Sequence[str]) -> int:
    from wsgate.commands import top

    return top.run(arguments)


def _tap(arguments: Sequence[str]) -> int:
    from wsgate.commands import tap

    return tap.run(arguments)


# Commands that ask a running gateway
_OPERATING = {
    "status": "say whether a running gateway is ready, and how many sessions it has",
    "sessions": "list the sessions of a running gateway",
    "close": "end sessions of a running gateway",
    "move": "end a part of the sessions of a running gateway, for others to take",
    "backends": "list the backends of a running gateway",
    "routes": "list the routes of a running gateway",
    "drain": "drain a running gateway, or one of its routes or backends",
    "reload": "have a running gateway read its file again",
}

# Commands that parse their flags themselves
_OWN_FLAGS: dict[str, Callable[[Sequence[str]], int]] = {
    "relay": _relay,
    "tunnel": _tunnel,
    **{name: partial(_operate, name) for name in _OPERATING},
    "top": _top,
    "tap": _tap,
}


def _recording(options: argparse.Namespace) -> int:
    from wsgate.recording import commands

    if options.action == "info":
        return commands.info(options.file)
    return commands.convert(options.file, options.output)


def _completion(shell: str) -> int:
    from wsgate.commands import completion

    sys.stdout.write(completion.script(shell))
    return 0


def _probe(options: argparse.Namespace) -> int:
    from wsgate.commands import probe

    tls = BackendTls(ca=options.ca, verify=not options.insecure)
    try:
        probed = probe.parse(options.url, options.timeout, options.header, options.subprotocol, tls)
    except TextError as error:
        print(f"wsgate: probe: {error}", file=sys.stderr)
        return 2
    return probe.run(probed)


def _serve(file: str, *, watched: bool) -> int:
    # By default HUP would end the process: ignore it until the gateway can reload
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from wsgate import app  # importing trio takes 0.2 seconds, and `schema` does not need it
    from wsgate.ops.file_watch import WatchedFile

    draft = None
    try:
        watched_file = WatchedFile.now(file) if watched else None
        draft = read(file)
        return app.serve(draft, load=partial(read, file), watched=watched_file)
    except ConfigError as error:
        return _refuse(file, error, draft)


def _check(file: str, url: str | None, headers: Sequence[str], *, security: bool) -> int:
    from wsgate.site.build import tried_out

    draft = None
    try:
        draft = read(file)
        with tried_out(draft) as site:
            warnings = draft.warnings_in_order()
            for warning in warnings:
                print(warning, file=sys.stderr)
            found = [_count(site.listeners, "listener"), _count(site.routes, "route")]
            if warnings:
                found.append(_count(warnings, "warning"))
            print(f"{file}: ok, {', '.join(found)}")
            if security:
                _show_security(site)
            return 0 if url is None else _explain(site, url, headers)
    except ConfigError as error:
        return _refuse(file, error, draft)


def _show_security(site: Site) -> None:
    from wsgate.commands.security import security_page

    for line in security_page(site.settings):
        print(line)


def _explain(site: Site, url: str, headers: Sequence[str]) -> int:
    from wsgate.gate.explain import NotExplained, explain

    try:
        for line in explain(site, url, headers):
            print(line)
    except NotExplained as error:
        print(f"wsgate: --explain: {error}", file=sys.stderr)
        return 2
    return 0


def _demo(listen: TcpAddress) -> int:
    from wsgate import demo

    return demo.run(listen)


def _refuse(file: str, error: ConfigError, draft: Draft | None) -> int:
    """Prints the errors and warnings. ``draft`` is ``None`` if the file could not be read."""
    warnings = () if draft is None else draft.warnings
    for problem in sorted([*error.problems, *warnings], key=lambda problem: problem.place):
        print(problem, file=sys.stderr)
    print(f"wsgate: {file}: {_count(error.problems, 'error')}; nothing was started", file=sys.stderr)
    return 2


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _listen(text: str) -> TcpAddress:
    try:
        address = bind_address(text)
    except TextError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not isinstance(address, TcpAddress) or address.port == SCHEMES_PORT:
        raise argparse.ArgumentTypeError("the demo's page needs HOST:PORT")
    return address


def _timeout(text: str) -> float:
    try:
        return timeout(text)
    except TextError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands; those of ``_OWN_FLAGS`` have parsers of their own."""
    parser = argparse.ArgumentParser(
        prog="wsgate",
        description="A WebSocket gateway: one address in front of WebSocket backends and TCP services.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wsgate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the gateway that FILE describes")
    serve.add_argument("file", metavar="FILE", help="the configuration, in YAML")
    serve.add_argument("--watch", action="store_true", help="reload when FILE changes, as at HUP")
    check = commands.add_parser(
        "check", help="say what is wrong with FILE, and warn; exit status 2 if anything is wrong"
    )
    check.add_argument("file", metavar="FILE", help="the configuration, in YAML")
    check.add_argument("--explain", metavar="URL", help="say which route takes URL, why, and what its backend gets")
    check.add_argument("--security", action="store_true", help="say what is open, to whom, and what is dangerous in it")
    check.add_argument(
        "--header", metavar="'NAME: VALUE'", action="append", default=[], help="with --explain: a field of the request"
    )
    probe = commands.add_parser("probe", help="open a WebSocket at URL and say what it met; exit status 1 if it fails")
    probe.add_argument("url", metavar="URL", help="ws:// or wss://; http:// and https:// are only asked with GET")
    probe.add_argument("--timeout", metavar="TIME", type=_timeout, default=5.0, help="for all of it (5s)")
    probe.add_argument(
        "--header", metavar="'NAME: VALUE'", action="append", default=[], help="a field of the request, like Origin"
    )
    probe.add_argument("--subprotocol", metavar="NAME", action="append", default=[], help="one to offer")
    probe.add_argument("--ca", metavar="FILE", help="the CAs that sign the certificate, PEM (the system's)")
    probe.add_argument("--insecure", action="store_true", help="take any certificate")
    commands.add_parser("relay", help="run a relay by flags; --help tells them", add_help=False)
    # Its flags are websockify's, and are parsed in the same way
    commands.add_parser("tunnel", help="run a tunnel by flags like websockify's; --help tells them", add_help=False)
    for name, text in _OPERATING.items():
        commands.add_parser(name, help=text, add_help=False)
    commands.add_parser("top", help="show what a running gateway does, in the terminal", add_help=False)
    commands.add_parser("tap", help="show the frames of one session of a running gateway", add_help=False)
    commands.add_parser("schema", help="print the configuration's JSON Schema, for editors")
    completion = commands.add_parser(
        "completion",
        help="print what completes commands and flags in a shell",
        description="Print what completes wsgate's commands and flags in a shell. For bash: "
        'eval "$(wsgate completion bash)" in ~/.bashrc; for zsh, after compinit, the same in ~/.zshrc; '
        "for fish: wsgate completion fish >~/.config/fish/completions/wsgate.fish",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="%(choices)s")
    recording = commands.add_parser("recording", help="show or convert a session that a tunnel has recorded")
    actions = recording.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="say whose session FILE holds, how much passed, and how it ended")
    convert = actions.add_parser("convert", help="write FILE as websockify --record does, for noVNC's player")
    for action in (info, convert):
        action.add_argument("file", metavar="FILE", help="a recording")
    convert.add_argument("--output", metavar="OUT", help="a new file for it (standard output)")
    demo = commands.add_parser("demo", help="run a gateway with services of its own behind it, and a page to try it on")
    demo.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_listen,
        default=TcpAddress("127.0.0.1", 8080),
        help="where the page is served (127.0.0.1:8080)",
    )
    return parser
