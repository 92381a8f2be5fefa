"""The command line of ``wsgate relay``. The texts of flags are kept unchanged; the configuration says what is valid."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from wsgate.commands.line import UsageError

_USAGE = "wsgate relay [FLAGS] [HOST:]PORT URL..."

_DESCRIPTION = """\
A gateway between WebSocket clients and WebSocket backends.

  wsgate relay 8080 ws://127.0.0.1:9000
  wsgate relay 127.0.0.1:8080 ws://app1:9000 ws://app2:9000 --balance least_sessions
  wsgate relay 443 unix:/run/app.sock --cert fullchain.pem --key privkey.pem --web /srv/app
"""

_EPILOG = """\
A PORT alone is open on all IPv4 addresses of this machine, [::]:PORT on those of IPv6, too; unix:FILE is a Unix socket.
Of several URLs the first is used, and the next ones where it fails, unless --balance or --hash say otherwise.
Durations are like 20s, sizes like 1MiB. Lists have commas between their items.

--show-config prints the configuration that a command line stands for, to go on from with: wsgate serve FILE"""

# What users of other programs write, or of wsgate tunnel
_INSTEAD = {
    "--ssl-only": "leave it out: with --cert every client must speak TLS",
    "--idle-timeout": "use --idle DURATION, after which a session without messages ends",
    "--cafile": "use --ca FILE for the CAs that sign the backend's certificate",
    "--origin": "use --origins LIST",
    "--target": "write the backend's URL behind the PORT: wsgate relay 8080 ws://127.0.0.1:9000",
    "--port": "write the PORT without a flag: wsgate relay 8080 ws://127.0.0.1:9000",
    "--listen": "write the address without a flag: wsgate relay 127.0.0.1:8080 ws://127.0.0.1:9000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFlags:
    """The flags of a command line, each under its own name; ``None`` for one that is left out.

    listen: ``[host:]port`` or ``unix:file``
    urls: of the backends, at least one
    """

    listen: str
    urls: tuple[str, ...]
    path: str | None
    origins: str
    cert: str | None
    key: str | None
    key_password_file: str | None
    host: str | None
    ca: str | None
    server_name: str | None
    insecure: bool
    balance: str | None
    hash: str | None
    heartbeat: str | None
    idle: str | None
    message_size: str | None
    trusted_proxies: str | None
    sessions_per_address: str | None
    web: str | None
    workers: str | None
    log_file: str | None
    verbose: bool
    show_config: bool


def parse(arguments: Sequence[str]) -> RelayFlags:
    """Parses a command line. Raises ``UsageError`` when it is wrong, ``SystemExit`` after --help."""
    own = parser()
    found, others = own.parse_known_intermixed_args(arguments)
    flags = [flag for action in own._actions for flag in action.option_strings]
    for other in others:
        raise UsageError(_unknown(other, flags))
    given = vars(found)
    addresses: list[str] = given.pop("addresses")
    if not addresses:
        raise UsageError("say where to listen and where it leads: wsgate relay [HOST:]PORT URL...")
    listen, *urls = addresses
    if re.match("(?:wss?|https?)://", listen):
        raise UsageError(f"{listen!r} is a URL: write where to listen in front of it: wsgate relay 8080 {listen}")
    if not urls:
        raise UsageError("say where it leads: write the backend's URL, like ws://127.0.0.1:9000, behind the PORT")
    read = RelayFlags(listen=listen, urls=tuple(urls), **given)
    _check(read)
    return read


def _unknown(other: str, flags: Sequence[str]) -> str:
    name = other.partition("=")[0]
    if name in _INSTEAD:
        return f"{name}: {_INSTEAD[name]}"
    near = difflib.get_close_matches(name, flags, 1)
    cure = f"did you mean {near[0]}?" if near else "wsgate relay --help has them all"
    return f"{name} is none of the flags: {cure}"


def _check(flags: RelayFlags) -> None:
    """Checks for flags that have no effect without others, and for flags that exclude each other."""
    speaks_tls = any(url.startswith("wss://") for url in flags.urls)
    of_certificate = "needs --cert FILE, the certificate that it belongs to"
    of_tls = "is about TLS to backends, and no URL begins with wss://: write one, or leave it out"
    of_several = "chooses among several backends, and there is one: write more URLs, or leave it out"
    needs = (
        ("--key", flags.key, flags.cert is not None, of_certificate),
        ("--key-password-file", flags.key_password_file, flags.cert is not None, of_certificate),
        ("--ca", flags.ca, speaks_tls, of_tls),
        ("--server-name", flags.server_name, speaks_tls, of_tls),
        ("--insecure", flags.insecure or None, speaks_tls, of_tls),
        ("--balance", flags.balance, len(flags.urls) > 1, of_several),
        ("--hash", flags.hash, len(flags.urls) > 1, of_several),
    )
    for flag, given, is_met, message in needs:
        if given is not None and not is_met:
            raise UsageError(f"{flag} {message}")
    if flags.insecure and flags.ca is not None:
        raise UsageError("--insecure and --ca: with --insecure nothing is checked against it: leave one of them out")
    if flags.balance is not None and flags.hash is not None:
        raise UsageError("--balance and --hash both say which backend is used: leave one of them out")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ").replace("expected one argument", "write its value behind it")
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's flags."""
    parser = _Parser(
        prog="wsgate relay",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("addresses", nargs="*", metavar="[HOST:]PORT URL", help=argparse.SUPPRESS)
    clients = parser.add_argument_group("clients")
    add = clients.add_argument
    add("--path", metavar="PATH", help="/x that path only, /x/* all below it, or ~regex; others get 404 (any path)")
    add(
        "--origins",
        metavar="LIST",
        default="same-host",
        help="web pages that may open WebSockets: https://app.example.com, same-host, or any (same-host)",
    )
    add("--cert", metavar="FILE", help="speak TLS (wss://) with this certificate")
    add("--key", metavar="FILE", help="its key, where the certificate's file has none")
    add("--key-password-file", metavar="FILE", help="a file with the key's password")
    add("--web", metavar="DIR", help="serve the files in DIR on the same port")
    add("--trusted-proxies", metavar="LIST", help="networks of proxies in front, whose X-Forwarded-For is believed")
    add(
        "--sessions-per-address",
        metavar="NUMBER",
        help="sessions of one client address (200); more behind a NAT; or off",
    )
    backends = parser.add_argument_group("backends")
    add = backends.add_argument
    add("--host", metavar="HOST", help="Host for them: keep the client's, backend the URL's (for wss://), or a name")
    add("--balance", metavar="POLICY", help="first, round_robin, random or least_sessions (first)")
    add(
        "--hash",
        metavar="WHAT",
        help="equal values, equal backend: address, query:NAME, header:NAME, cookie:NAME",
    )
    add("--ca", metavar="FILE", help="the CAs that sign the certificates of wss:// backends (the system's)")
    add("--server-name", metavar="NAME", help="the name that their certificates must have (the URL's)")
    add("--insecure", action="store_true", help="take any certificate of theirs: for experiments only")
    sessions = parser.add_argument_group("sessions")
    add = sessions.add_argument
    add("--heartbeat", metavar="DURATION", help="send Pings to sides that have been silent so long (20s), or off")
    add("--idle", metavar="DURATION", help="end sessions without messages for so long (off)")
    add("--message-size", metavar="SIZE", help="the largest message; a larger one ends its session with 1009 (off)")
    process = parser.add_argument_group("the process")
    add = process.add_argument
    add("--workers", metavar="NUMBER", help="processes that share the work, or auto (1)")
    add("--log-file", metavar="FILE", help="log into FILE, not to standard error")
    add("-v", "--verbose", action="store_true", help="log more")
    add("--show-config", action="store_true", help="print the configuration this stands for, and do nothing else")
    add("-h", "--help", action="help", help="show this text")
    return parser
