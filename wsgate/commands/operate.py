"""``wsgate status``, ``sessions``, ``close``, ``move``, ``drain`` and their like: they ask a running gateway."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from wsgate.commands.admin_client import ADDRESS, AdminClient, AskError, client_from
from wsgate.commands.table import age, octets, printable, table
from wsgate.settings.numbers import share
from wsgate.text.duration import duration
from wsgate.text.error import TextError

Answer = Mapping[str, Any]

_FILTERS = {
    "route": "of this route",
    "user": "of this user",
    "client": "of this address, with or without its port",
    "backend": "with this backend",
    "host": "that asked for this host",
    "subprotocol": "with this subprotocol",
    "state": "open or closing",
    "q": "with this in any of their texts",
}


def run(arguments: Sequence[str]) -> int:
    """Runs one of these commands, with its name in front. Returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        answer: Answer = options.ask(client_from(options.admin, options.token_file), options)
    except AskError as error:
        print(printable(f"wsgate: {options.command}: {error}"), file=sys.stderr)
        for problem in error.answer.get("problems", ()):
            place = f"{problem['file']}:{problem['line']}:{problem['column']}"
            print(printable(f"{place}: {problem['path']}: {problem['message']}"), file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for line in options.show(answer):
            print(printable(line))
    for worker in answer.get("missing_workers", ()):
        print(f"wsgate: {options.command}: worker {worker} did not answer: ask again", file=sys.stderr)
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of these commands."""
    parser = argparse.ArgumentParser(prog="wsgate")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, ask: _Ask, show: _Show) -> argparse.ArgumentParser:
        command = commands.add_parser(name, description=text)
        command.set_defaults(ask=ask, show=show)
        add_address(command)
        command.add_argument("--json", action="store_true", help="print the API's answer")
        return command

    text = "Say whether the gateway is ready, and how many sessions it has; or its configuration."
    status = add("status", text, _ask_status, _show_status)
    status.add_argument("--config", action="store_true", help="the configuration in effect, without its secrets")
    sessions = add("sessions", "List the open sessions, or those that ended last.", _ask_sessions, _show_sessions)
    add_filters(sessions)
    sessions.add_argument("--sort", metavar="FIELD", default="since", help="by this field; --sort=-FIELD: downwards")
    sessions.add_argument("--limit", metavar="N", default="100", help="at most so many, up to 1000 (100)")
    sessions.add_argument("--offset", metavar="N", default="0", help="without the first N")
    sessions.add_argument("--ended", action="store_true", help="those that ended last, and why; the newest first")
    close = add("close", "End sessions: those with these ids, or all that the flags name.", _ask_close, _show_closed)
    close.add_argument("id", nargs="*", metavar="ID")
    add_filters(close)
    close.add_argument("--code", metavar="CODE", type=int, default=1008, help="the close code (1008)")
    close.add_argument("--reason", metavar="TEXT", help="at most 123 bytes, which both sides get")
    move = add("move", "End a part of the sessions, for a balancer to give them to others.", _ask_move, _show_moved)
    move.add_argument("--share", metavar="SHARE", help="of the open sessions, like 25%%; at random")
    move.add_argument("--over", metavar="TIME", default="60s", help="evenly over so long (60s)")
    move.add_argument("--route", metavar="NAME", help="only those of this route")
    move.add_argument("--stop", action="store_true", help="end the move that is under way")
    backends = add("backends", "List the backends of relays.", _ask_backends, _show_backends)
    backends.add_argument("--route", metavar="NAME", help="of this route")
    add("routes", "List the routes, in the order in which they are tried.", _ask_routes, _show_routes)
    drain = add("drain", "Drain the gateway, as SIGTERM does; or one route or backend.", _ask_drain, _show_drain)
    drain.add_argument("--backend", metavar="NAME", help="as wsgate backends shows it; of all routes without --route")
    drain.add_argument("--route", metavar="NAME", help="the whole route, or of it the one backend")
    drain.add_argument("--undo", action="store_true", help="with --backend or --route: the drain is over")
    add("reload", "Read the file again, as SIGHUP does; what is wrong is said.", _ask_reload, _show_reload)
    return parser


_Ask = Callable[[AdminClient, argparse.Namespace], Answer]
_Show = Callable[[Answer], Sequence[str]]


def add_address(command: argparse.ArgumentParser) -> None:
    """Adds the flags that say where the gateway is asked."""
    command.add_argument("--admin", metavar="ADDRESS", help=f"WSGATE_ADMIN, or {ADDRESS}; or unix:/path")
    command.add_argument("--token-file", metavar="FILE", help="with the token; or WSGATE_ADMIN_TOKEN_FILE")


def add_filters(command: argparse.ArgumentParser) -> None:
    """Adds the flags that say which sessions are meant."""
    for name, text in _FILTERS.items():
        command.add_argument(f"--{name}", metavar="TEXT", help=text)


def filter_of(options: argparse.Namespace) -> dict[str, str]:
    """Returns which sessions these flags mean, as the API has it."""
    return {name: value for name in _FILTERS if (value := getattr(options, name)) is not None}


def _ask_status(client: AdminClient, options: argparse.Namespace) -> Answer:
    return client.ask("GET", "config" if options.config else "status")


def _ask_sessions(client: AdminClient, options: argparse.Namespace) -> Answer:
    if options.ended:
        return client.ask("GET", "endings", {**filter_of(options), "limit": options.limit})
    paging = {name: getattr(options, name) for name in ("sort", "limit", "offset")}
    return client.ask("GET", "sessions", {**filter_of(options), **paging})


def _ask_close(client: AdminClient, options: argparse.Namespace) -> Answer:
    filter = filter_of(options)
    if bool(options.id) is bool(filter):
        raise AskError("name sessions by their ids, or all of a kind by flags like --route, and not both")
    body: dict[str, Any] = {"code": options.code, **({"ids": options.id} if options.id else {"filter": filter})}
    if options.reason is not None:
        body["reason"] = options.reason
    return client.ask("POST", "sessions/close", body=body)


def _ask_move(client: AdminClient, options: argparse.Namespace) -> Answer:
    if options.stop:
        if options.share is not None or options.route is not None:
            raise AskError("--stop ends what is under way, whatever it is: it takes no other flag")
        return client.ask("POST", "sessions/move", body={"share": 0})
    if options.share is None:
        raise AskError("say how many, with --share, or end the move that is under way, with --stop")
    try:
        body: dict[str, Any] = {"share": share(options.share), "over": duration(options.over)}
    except TextError as error:
        raise AskError(str(error)) from None
    if options.route is not None:
        body["route"] = options.route
    return client.ask("POST", "sessions/move", body=body)


def _ask_backends(client: AdminClient, options: argparse.Namespace) -> Answer:
    return client.ask("GET", "backends", {} if options.route is None else {"route": options.route})


def _ask_routes(client: AdminClient, options: argparse.Namespace) -> Answer:
    return client.ask("GET", "routes")


def _ask_drain(client: AdminClient, options: argparse.Namespace) -> Answer:
    named = {name: value for name in ("backend", "route") if (value := getattr(options, name)) is not None}
    if named:
        resource = "backends/drain" if "backend" in named else "routes/drain"
        return client.ask("POST", resource, body={**named, "drain": not options.undo})
    if options.undo:
        raise AskError("a drain of the whole gateway cannot be undone: name a backend or a route")
    return client.ask("POST", "drain")


def _ask_reload(client: AdminClient, options: argparse.Namespace) -> Answer:
    return client.ask("POST", "reload")


def _show_status(answer: Answer) -> Sequence[str]:
    if "config" in answer:
        return yaml.safe_dump(answer["config"], sort_keys=False, width=1 << 20).splitlines()
    sessions, most = answer["sessions"], answer.get("most_sessions")
    state = "ready" if answer["ready"] else "not ready"
    count = f"{sessions} session{'' if sessions == 1 else 's'}"
    if most is not None:
        count = f"{sessions} of {most} sessions"
    drains = (f"the route {route} drains" for route in answer["draining_routes"])
    reasons = answer["reasons"]
    lines = [f"{state}, {count}, wsgate {answer['version']}", *reasons, *answer.get("warnings", ())]
    return [*lines, *(line for line in drains if line not in reasons)]


def _show_sessions(answer: Answer) -> Sequence[str]:
    if "total" not in answer:
        return _show_ended(answer)
    rows = [
        (
            each["id"],
            each["route"],
            each["client"],
            each.get("user") or "-",
            each["backend"],
            age(each["duration"]),
            octets(each["bytes_up"]),
            octets(each["bytes_down"]),
            "-" if each["client_rtt_ms"] is None else f"{each['client_rtt_ms']:g} ms",
            each["state"],
        )
        for each in answer["sessions"]
    ]
    head = ("ID", "ROUTE", "CLIENT", "USER", "BACKEND", "AGE", "UP", "DOWN", "RTT", "STATE")
    lines = table(head, rows, right={"AGE", "UP", "DOWN", "RTT"})
    more = answer["total"] - answer["offset"] - len(rows)
    return [*lines, *([f"{more} more: --offset {answer['offset'] + len(rows)}"] if more > 0 else [])]


def _show_ended(answer: Answer) -> Sequence[str]:
    rows = [
        (
            each["ended"],
            each["id"],
            each["route"],
            each["client"],
            each.get("user") or "-",
            age(each["duration"]),
            each["ended_by"],
            each["reason"],
            " ".join(str(part) for part in (each["client_code"], each["client_reason"]) if part) or "-",
            each["detail"] or "-",
        )
        for each in answer["sessions"]
    ]
    head = ("ENDED", "ID", "ROUTE", "CLIENT", "USER", "AGE", "BY", "REASON", "CLOSE", "DETAIL")
    return table(head, rows, right={"AGE"})


def _show_closed(answer: Answer) -> Sequence[str]:
    number = len(answer["closed"])
    return [f"{number} session{'' if number == 1 else 's'} told to close"]


def _show_moved(answer: Answer) -> Sequence[str]:
    number = answer["sessions"]
    if not number:
        return ["no session is moved"]
    return [f"{number} session{'' if number == 1 else 's'} told to come back elsewhere, within {answer['over']:g} s"]


def _show_backends(answer: Answer) -> Sequence[str]:
    rows = [
        (each["route"], each["backend"], backend_state(each), str(each["sessions"]), str(each["failures"]))
        for each in answer["backends"]
    ]
    return table(("ROUTE", "BACKEND", "STATE", "SESSIONS", "FAILURES"), rows, right={"SESSIONS", "FAILURES"})


def backend_state(backend: Mapping[str, Any]) -> str:
    """Returns a backend's state in a word or more: ``well``, or what is not."""
    states = [name for name in ("draining", "ejected") if backend[name]]
    return ", ".join(([] if backend["healthy"] else ["unhealthy"]) + states) or "well"


def _show_routes(answer: Answer) -> Sequence[str]:
    rows = [
        (
            each["route"],
            each["action"],
            ", ".join(each["host"]) or "-",
            each["path"] or "-",
            "draining" if each["draining"] else "open",
            str(each["sessions"]),
        )
        for each in answer["routes"]
    ]
    return table(("ROUTE", "ACTION", "HOST", "PATH", "STATE", "SESSIONS"), rows, right={"SESSIONS"})


def _show_drain(answer: Answer) -> Sequence[str]:
    if answer["drain"] == "begun":
        return ["the gateway drains, and ends"]
    what = "drains" if answer["drain"] else "drains no more"
    if "route" in answer:
        return [f"{answer['route']} {what}"]
    return [f"{each['route']}: {each['backend']} {what}" for each in answer["backends"]]


def _show_reload(answer: Answer) -> Sequence[str]:
    return ["the file is well; the gateway reads it now, and its log says what is new"]
