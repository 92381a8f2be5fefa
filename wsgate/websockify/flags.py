"""The command line of ``wsgate tunnel``: websockify's flags, if they have a meaning here.

For any other flag the error says what to use instead. The texts of flags are kept unchanged; nothing is resolved yet.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from wsgate.commands.line import UsageError

_USAGE = """\
wsgate tunnel [FLAGS] [HOST:]PORT TARGET_HOST:TARGET_PORT
       wsgate tunnel [FLAGS] [HOST:]PORT --unix-target FILE
       wsgate tunnel [FLAGS] [HOST:]PORT --token-plugin CLASS --token-source ARG
       wsgate tunnel [FLAGS] --unix-listen FILE ..."""

_EPILOG = """\
The flags are websockify's. docs/from-websockify.md has them one by one, with what differs; --show-config prints the
configuration that a command line stands for, to go on from with: wsgate serve FILE"""

# websockify's flags that have no meaning here, and what to use instead
_INSTEAD = {
    "--daemon": "let systemd or a container run it; in a shell: nohup wsgate tunnel ... &",
    "--run-once": "use --idle-timeout SECONDS: it ends when nobody has been connected for so long",
    "--timeout": "use timeout(1): timeout SECONDS wsgate tunnel ...; or --idle-timeout SECONDS",
    "--wrap-mode": "wsgate starts no program: start it yourself, on 127.0.0.1 or a Unix socket, and name that here",
    "--inetd": "wsgate takes no socket from inetd: let it listen itself, at [HOST:]PORT or --unix-listen FILE",
    "--libserver": "leave it out: one process serves all connections, without it too",
    "--syslog": "the log goes to standard error: let systemd take it, or pipe it: 2>&1 | logger --server HOST",
    "--legacy-syslog": "the log goes to standard error: let systemd take it, or pipe it: 2>&1 | logger --server HOST",
    "--traffic": "leave it out: the log counts messages and bytes of each session, --record FILE keeps them",
    "--key-password": (
        "a password on the command line is seen by all users of this machine: write it to a file that only you can "
        "read, and use --key-password-file FILE"
    ),
}
_SHORT = {"--daemon": "-D"}
_WRAP = "-- COMMAND: " + _INSTEAD["--wrap-mode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags of a command line, each under its own name.

    listen: ``[host:]port``; ``None`` with ``unix_listen``
    target: ``None`` with ``unix_target`` or ``token_plugin``
    """

    listen: str | None
    target: str | None
    prefer_ipv6: bool
    unix_listen: str | None
    unix_listen_mode: str | None
    unix_target: str | None
    ssl_target: bool
    token_plugin: str | None
    token_source: str | None
    token_password_file: str | None
    host_token: bool
    auth_plugin: str | None
    auth_source: str | None
    web: str | None
    web_auth: bool
    file_only: bool
    cert: str | None
    key: str | None
    key_password_file: str | None
    ssl_only: bool
    ssl_version: str
    ssl_ciphers: str | None
    verify_client: bool
    cafile: str | None
    heartbeat: int | None
    idle_timeout: int
    sessions_per_address: str | None
    record: str | None
    verbose: bool
    log_file: str | None
    show_config: bool


def parse(arguments: Sequence[str]) -> Flags:
    """Parses a command line. Raises ``UsageError`` when it is wrong, ``SystemExit`` after --help."""
    if "--" in arguments:
        raise UsageError(_WRAP)
    found = parser().parse_intermixed_args([_expand(argument) for argument in arguments])
    given = vars(found)
    addresses: list[str] = given.pop("addresses")
    target_config = given.pop("target_config")
    if target_config is not None:
        if found.token_plugin is not None:
            raise UsageError("--target-config is a --token-plugin itself: leave one of them out")
        given.update(token_plugin="TokenFile", token_source=target_config)
    listen, target = _addresses(found, addresses)
    flags = Flags(listen=listen, target=target, **given)
    _check(flags)
    return flags


def _addresses(found: argparse.Namespace, addresses: list[str]) -> tuple[str | None, str | None]:
    left = list(addresses)
    listen = target = None
    if found.unix_listen is None:
        if not left:
            raise UsageError("say where to listen: [HOST:]PORT")
        listen = left.pop(0)
    if found.unix_target is None and found.token_plugin is None:
        if not left:
            raise UsageError("say where it leads: HOST:PORT, --unix-target FILE, or --token-plugin CLASS")
        target = left.pop(0)
    if left:
        raise UsageError(f"{left[0]!r} is too much: {_what_is_there(found)}")
    return listen, target


def _what_is_there(found: argparse.Namespace) -> str:
    if found.unix_target is not None:
        return "--unix-target is the target"
    if found.token_plugin is not None:
        return "with --token-plugin the tokens say where they lead"
    return "there is a target already"


def _check(flags: Flags) -> None:
    """Checks for flags that need others, as in websockify, and for flags that have no effect without others."""
    needs = (
        (flags.token_source, "--token-source", flags.token_plugin, "--token-plugin"),
        (flags.host_token, "--host-token", flags.token_plugin, "--token-plugin"),
        (flags.auth_source, "--auth-source", flags.auth_plugin, "--auth-plugin"),
        (flags.web_auth, "--web-auth", flags.auth_plugin, "--auth-plugin"),
        (flags.web_auth, "--web-auth", flags.web, "--web"),
        (flags.cafile, "--cafile", flags.verify_client, "--verify-client"),
        (flags.unix_listen_mode, "--unix-listen-mode", flags.unix_listen, "--unix-listen"),
    )
    for given, flag, needed, other in needs:
        if given and not needed:
            raise UsageError(f"{flag} needs {other}")
    if flags.unix_target is not None and flags.token_plugin is not None:
        raise UsageError("--unix-target and --token-plugin both say where it leads: leave one of them out")
    if flags.unix_target is not None and flags.ssl_target:
        raise UsageError("--ssl-target: no TLS is spoken to a Unix socket: leave it out")
    for seconds, flag in ((flags.heartbeat, "--heartbeat"), (flags.idle_timeout, "--idle-timeout")):
        if seconds is not None and seconds < 0:
            raise UsageError(f"{flag}: {seconds} is less than 0")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Instead(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> NoReturn:
        raise UsageError(f"{self.option_strings[0]}: {_INSTEAD[self.option_strings[0]]}")


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's flags."""
    # argparse's abbreviations are off: _expand() handles websockify's
    parser = _Parser(
        prog="wsgate tunnel",
        usage=_USAGE,
        description="A tunnel between WebSocket clients and a TCP service.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("addresses", nargs="*", metavar="[HOST:]PORT TARGET", help="where to listen, where it leads")
    add = parser.add_argument
    add("--show-config", action="store_true", help="print the configuration this stands for, and do nothing else")
    add("-6", "--prefer-ipv6", action="store_true", help="listen on IPv6: on [::] without a HOST, for IPv4 clients too")
    add("--unix-listen", metavar="FILE", help="listen on a Unix socket")
    add("--unix-listen-mode", metavar="MODE", help="its permissions (0600)")
    add("--unix-target", metavar="FILE", help="the target is a Unix socket")
    add("--ssl-target", action="store_true", help="speak TLS to the target")
    add("--token-plugin", metavar="CLASS", help="each client's token says where it is led to: TokenFile, for example")
    add("--token-source", metavar="ARG", help="where the plugin finds the tokens")
    add("--token-password-file", metavar="FILE", help="TokenRedis: a file with the database's password")
    add("--target-config", metavar="FILE", help="the same as --token-plugin TokenFile --token-source FILE")
    add("--host-token", action="store_true", help="the token is the host that was asked for, not ?token=")
    add("--auth-plugin", metavar="CLASS", help="BasicHTTPAuth, ExpectOrigin or ClientCertCNAuth")
    add("--auth-source", metavar="ARG", help="user:password; origins; or common names")
    add("--web", metavar="DIR", help="serve the files in DIR on the same port")
    add("--web-auth", action="store_true", help="ask who reads files, too")
    add("--file-only", action="store_true", help="list no directories, which is what is done anyhow")
    add("--cert", metavar="FILE", help="speak TLS with this certificate (self.pem, where it is there)")
    add("--key", metavar="FILE", help="its key, where the certificate's file has none")
    add("--key-password-file", metavar="FILE", help="a file with the key's password")
    add("--ssl-only", action="store_true", help="refuse clients that come without TLS")
    add("--ssl-version", choices=("default", "tlsv1_1", "tlsv1_2", "tlsv1_3"), default="default", help="the oldest one")
    add("--ssl-ciphers", metavar="LIST", help="ciphers of TLS 1.2, as OpenSSL writes them")
    add("--verify-client", action="store_true", help="clients must show a certificate, which --cafile has signed")
    add("--cafile", metavar="FILE", help="the CAs that sign clients' certificates")
    add("--heartbeat", type=int, metavar="SECONDS", help="ping clients that have been silent so long (20); 0 is off")
    add("--idle-timeout", type=int, default=0, metavar="SECONDS", help="end when nobody was connected for so long")
    add(
        "--sessions-per-address",
        metavar="NUMBER",
        help="sessions of one client address (200); more behind a NAT; or off",
    )
    add("--record", metavar="FILE", help="record every session, into the directory of FILE")
    add("-v", "--verbose", action="store_true", help="log more")
    add("--log-file", metavar="FILE", help="log into FILE, not to standard error")
    for flag in _INSTEAD:
        names = [flag, _SHORT[flag]] if flag in _SHORT else [flag]
        add(*names, action=_Instead, nargs="?", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


# Only websockify's flags can be abbreviated, so that additional flags make no abbreviation ambiguous
_OURS = frozenset({"--show-config", "--key-password-file", "--token-password-file", "--sessions-per-address"})
_WEBSOCKIFYS = frozenset(
    {f"--{field.name.replace('_', '-')}" for field in fields(Flags) if field.name not in ("listen", "target")} - _OURS
    | _INSTEAD.keys()
    | {"--target-config", "--help"}
)


def _expand(argument: str) -> str:
    """Completes an abbreviated flag, which websockify allows if it is unambiguous. Raises ``UsageError`` when it is
    not."""
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or name in _WEBSOCKIFYS:
        return argument
    meant = sorted(flag for flag in _WEBSOCKIFYS if flag.startswith(name))
    if len(meant) > 1 and name not in _OURS:
        raise UsageError(f"{name} may be {' or '.join(meant)}: write more of it")
    return f"{meant[0]}{equals}{value}" if len(meant) == 1 else argument
