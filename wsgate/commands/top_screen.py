"""The screen of ``wsgate top``: from what a gateway has answered, and the terminal's size, to lines.

Nothing here knows a terminal or a clock. No line is longer than the terminal is wide, and what does not fit ends with …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from wsgate.commands.fitted_table import GAP, Column, fitted_table
from wsgate.commands.operate import backend_state
from wsgate.commands.snapshot import Row, Snapshot, rows, total
from wsgate.commands.table import age, printable
from wsgate.commands.top_orders import MOST, ORDERS, Order

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown.

    address: of the gateway, as it was asked
    now: the last snapshot; before: the one that its rates begin at
    filter: of the sessions, as it was asked for
    trouble: why the gateway could not be asked for ``silence`` seconds; empty if it could
    """

    address: str
    now: Snapshot
    before: Snapshot | None = None
    filter: Mapping[str, str] | None = None
    order: Order = MOST
    trouble: str = ""
    silence: float = 0.0


def screen(view: View, width: int, height: int, *, keys: bool = True) -> list[Text]:
    """Returns the lines of a screen.

    width, height: of the terminal, in cells
    keys: whether the last line says which keys do what
    """
    found = rows(view.before, view.now)
    lines = [_state(view, width), _moved(view, found)]
    least = 4 if keys else 3  # a blank line, the head of sessions, one of them, and the keys
    backends = _backends(view.now.backends["backends"], width, max(1, (height - 2 - least) // 3))
    if backends:
        lines += [Text(), *backends]
    lines += [Text(), *_sessions(view, found, width, max(1, height - len(lines) - least + 1))]
    if keys:
        lines = lines[: height - 1]
        lines += [Text()] * (height - 1 - len(lines))
        lines.append(_keys(view.order))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _state(view: View, width: int) -> Text:
    status = view.now.status
    line = Text(f"wsgate {printable(status['version'])}  ", style="bold")
    reasons = [*status["reasons"], *(f"worker {worker} did not answer" for worker in view.now.missing_workers)]
    if view.trouble:
        line.append(f"no answer for {age(view.silence)}", style="red")
    elif status["ready"] and not reasons:
        line.append("ready", style="green")
    else:
        state = "ready" if status["ready"] else "not ready"
        line.append(
            ": ".join([state, "; ".join(map(printable, reasons))]), style="yellow" if status["ready"] else "red"
        )
    line.append(f"  {_count(status['sessions'], 'session')}")
    address = printable(view.address)
    if (room := width - line.cell_len - cell_len(address)) >= GAP:
        line.append(" " * room + address, style="not bold dim")
    return line


def _moved(view: View, found: Sequence[Row]) -> Text:
    """The line of what all sessions move."""
    if view.trouble:
        return Text(printable(view.trouble), style="red")
    line = Text()
    rates = view.now.moved or total(found)
    for way in ("up", "down"):
        octets = _octets(getattr(rates, f"bytes_{way}", None))
        messages = _number(getattr(rates, f"messages_{way}", None))
        line.append(f"{way} ").append(f"{octets}/s".rjust(10), style="bold").append(f" {messages:>6} msg/s   ")
    listed, all_of_them = len(found), view.now.sessions["total"]
    some = f"{listed} of " if all_of_them > listed and view.now.moved is None else ""
    named = " ".join(f"{name}={value}" for name, value in (view.filter or {}).items())
    if some or named:
        line.append(f"of {some}{_count(all_of_them, 'session')}{' with ' if named else ''}{printable(named)}")
    line.rstrip()
    return line


def _backends(backends: Sequence[Mapping[str, Any]], width: int, most: int) -> list[Text]:
    """The table of backends, at most ``most`` of them: first those that are not well."""
    if not backends:
        return []
    ordered = sorted(backends, key=lambda each: backend_state(each) == "well")
    shown, more = _fitting(ordered, most)
    lines = fitted_table(_BACKEND_COLUMNS, shown, width, style=_backend_style)
    if more:
        well = all(backend_state(each) == "well" for each in ordered[len(shown) :])
        lines.append(Text(f"… {_count(more, 'more backend')}{', well' if well else ''}", style="dim"))
    return lines


def _sessions(view: View, found: Sequence[Row], width: int, most: int) -> list[Text]:
    """The table of sessions, at most ``most`` of them."""
    if not found:
        return [Text("no sessions", style="dim")]
    shown, more = _fitting(sorted(found, key=view.order.by), most)
    lines = fitted_table(_SESSION_COLUMNS, shown, width, marked=view.order.columns)
    more += view.now.sessions["total"] - len(found)
    if more and len(shown) < most:
        lines.append(Text(f"… {_count(more, 'more session')}", style="dim"))
    return lines


def _keys(order: Order) -> Text:
    line = Text(style="dim")
    if not order.key:
        line.append(order.name, style="not dim reverse").append("  ")
    for each in ORDERS:
        line.append(f"{each.key} {each.name}", style="not dim reverse" if each is order else "")
        line.append("  ")
    return line.append("q quit")


def _backend_style(backend: Mapping[str, Any]) -> str:
    if backend_state(backend) == "well":
        return ""
    return "yellow" if backend["healthy"] else "red"


def _fitting(things: Sequence[Any], most: int) -> tuple[Sequence[Any], int]:
    """Returns those that fit into ``most`` lines, with one for the number of the others, and that number."""
    if len(things) <= most:
        return things, 0
    fitting = max(1, most - 1)
    return things[:fitting], len(things) - fitting


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _octets(number: float | None) -> str:
    """A number of bytes with a unit, at most eight characters."""
    if number is None:
        return "-"
    value, unit = float(number), _UNITS[0]
    for unit in _UNITS:
        if value < 1023.5 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} B" if unit == "B" else f"{_number(value)} {unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if 0 < value < 9.95 else f"{value:.0f}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{_number(value)} ms"


_BACKEND_COLUMNS = (
    Column("ROUTE", lambda each: each["route"]),
    Column("BACKEND", lambda each: each["backend"], least=19),
    Column("STATE", backend_state),
    Column("SESSIONS", lambda each: str(each["sessions"]), number=8),
    Column("FAILURES", lambda each: str(each["failures"]), number=8, rank=1),
)
_SESSION_COLUMNS = (
    Column("ID", lambda row: row.session["id"]),
    Column("ROUTE", lambda row: row.session["route"], least=8, rank=1),
    Column("CLIENT", lambda row: row.session["client"], least=15),
    Column("USER", lambda row: row.session.get("user") or "-", rank=3),
    Column("BACKEND", lambda row: row.session["backend"], least=19, rank=7),
    Column("AGE", lambda row: age(row.session["duration"]), number=6, rank=4),
    Column("UP/s", lambda row: _octets(row.rates and row.rates.bytes_up), number=8, rank=2),
    Column("DOWN/s", lambda row: _octets(row.rates and row.rates.bytes_down), number=8, rank=2),
    Column("MSG/s", lambda row: _number(row.rates and row.rates.messages), number=6, rank=8),
    Column("UP", lambda row: _octets(row.session["bytes_up"]), number=8, rank=9),
    Column("DOWN", lambda row: _octets(row.session["bytes_down"]), number=8, rank=9),
    Column("RTT", lambda row: _milliseconds(row.session["client_rtt_ms"]), number=7, rank=5),
    Column("STATE", lambda row: row.session["state"], rank=6),
)
