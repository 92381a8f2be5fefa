"""The results as pictures: which rows stand in which, drawn by ``bars``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bars import Bar, Group, draw
from bench.results import Run
from bench.stats import median

# wsgate stands out; the compiled proxies are cool, the other Python one is warm
COLOURS = {
    "wsgate": "#1a7f5a",
    "nginx 64k": "#5b7fb5",
    "haproxy 64k": "#a9bcd8",
    "nginx": "#5b7fb5",
    "haproxy": "#a9bcd8",
    "websockify": "#d08a3c",
    "haproxy tcp": "#a9bcd8",
}
NAMES = {"nginx 64k": "nginx, 64 KiB buffers", "haproxy 64k": "HAProxy, 64 KiB buffers", "haproxy": "HAProxy"}
NAMES["haproxy tcp"] = "HAProxy in TCP mode, without WebSocket"


@dataclass(frozen=True, slots=True)
class Plot:
    file: str
    title: str
    subtitle: str
    quantity: str
    rows: tuple[tuple[str, str], ...]  # a row's name, and what it is called beside its bars
    cases: tuple[str, ...]
    relative: str = ""  # the case that is 1; empty: plain numbers
    logarithmic: bool = False


TUNED = ("wsgate", "nginx 64k", "haproxy 64k")
SIZES = ("64", "64 B"), ("1k", "1 KiB"), ("4k", "4 KiB"), ("64k", "64 KiB"), ("1m", "1 MiB")

PLOTS = (
    Plot(
        "bench-cpu.svg",
        "CPU per relayed message, nginx = 1",
        "the proxy's CPU time for one echoed message; less is better",
        "cpu_us",
        (
            *((f"relay-{name}", shown) for name, shown in SIZES),
            ("relay-64-16", "64 B, 16 in flight"),
            ("tls-64", "64 B, TLS"),
            ("tls-64k", "64 KiB, TLS"),
        ),
        TUNED,
        relative="nginx 64k",
    ),
    Plot(
        "bench-latency.svg",
        "p99 latency under full load, microseconds",
        "there and back again, each proxy as busy as it gets; less is better",
        "p99_us",
        (
            ("relay-64-1", "64 B, one connection"),
            ("relay-64", "64 B, 64 connections"),
            ("relay-4k", "4 KiB, 16 connections"),
            ("relay-64k", "64 KiB, 8 connections"),
            ("relay-1m", "1 MiB, 4 connections"),
        ),
        TUNED,
        logarithmic=True,
    ),
    Plot(
        "bench-tunnel.svg",
        "Tunnel to TCP, echoed messages per second",
        "on one core; more is better",
        "messages_s",
        tuple((f"tunnel-{name}", shown) for name, shown in SIZES),
        ("wsgate", "websockify", "haproxy tcp"),
        logarithmic=True,
    ),
    Plot(
        "bench-memory.svg",
        "Memory per idle session, KB",
        "proportional set size; less is better",
        "kb_session",
        (
            ("idle-1000", "relay, 1,000 sessions"),
            ("idle-8000", "relay, 8,000 sessions"),
            ("idle-tls", "relay with TLS, 1,000"),
            ("idle-tunnel", "tunnel, 100"),
        ),
        ("wsgate", "nginx", "haproxy", "websockify"),
        logarithmic=True,
    ),
)


def write(run: Run, directory: Path) -> list[str]:
    """Draw every plot that has something to show. Returns the files' names."""
    directory.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        subtitle = plot.subtitle + ("; a disturbed run" if run.disturbance else "")
        (directory / plot.file).write_text(
            draw(plot.title, subtitle, groups(plot, run), logarithmic=plot.logarithmic, line=bool(plot.relative))
        )
    return [plot.file for plot in PLOTS]


def groups(plot: Plot, run: Run) -> Sequence[Group]:
    """The plot's bars; rows and cases without numbers are left out."""
    found = []
    for name, shown in plot.rows:
        row = run.row(name)
        values = {
            case: value
            for case in plot.cases
            if row and (value := median(row.samples.get(case, ()), plot.quantity)) is not None
        }
        if plot.relative:
            one = values.get(plot.relative)
            values = {case: value / one for case, value in values.items()} if one else {}
        if values:
            bars = [Bar(NAMES.get(case, case), COLOURS[case], value) for case, value in values.items()]
            found.append(Group(shown, bars))
    return found
