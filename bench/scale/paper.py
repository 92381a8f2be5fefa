"""What a million and ten million sessions take, on paper: from what one core and one session were measured to take.

``python -m bench.scale.paper docs/scaling.md docs/performance.md`` puts the tables into the first page, between its
marks. The sizes of the machines are one choice of many.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import markdown
from bench.sizing import rounded

SIZING, PAPER = "scale sizing", "scale paper"

SOCKET_KB = 4.0  # the kernel's memory for an open TCP socket without data; docs/scaling.md says what a run has measured
BALANCER_KB = 4.7  # HAProxy's own memory for a session: the row idle-8000 of docs/performance.md
PLANNED = 0.5  # of what a core can do: the rest is for storms

SESSIONS = 50_000  # on a replica
CORES = 4  # of a replica: as many workers
BALANCED = 250_000  # sessions on a balancer
ON_BACKEND = 10_000  # sessions on a backend
RESERVE = 10  # for so many replicas that are needed there is one more
PORTS = 60_999 - 32_768 + 1  # net.ipv4.ip_local_port_range as Linux has it
MOST_PORTS = 65_535 - 1024 + 1
PAGE = 4096  # bytes
SPREAD = 60.0  # drain.spread, seconds
AROUND = 15.0  # seconds of a restart beside its spread: the delay, the end, the start
AT_ONCE = 0.05  # of all replicas that are restarted at the same time, where there are many
BACK = 30.0  # seconds within which the clients of a dead replica come back, at random


@dataclass(frozen=True, slots=True)
class Measured:
    """What docs/performance.md says: KB of a session, and sessions and messages that a full core takes in a second."""

    kb: float
    kb_tls: float
    upgrades: float
    upgrades_tls: float
    messages: float
    messages_tls: float


def measured(page: str) -> Measured:
    """Returns what stands in the sizing table of docs/performance.md. Raises ``ValueError`` if a row is missing."""
    rows = re.findall(r"^\| (.+?) \| ([0-9,.]+) (MB|a second) \|$", page, re.MULTILINE)
    names = [name for name, _, _ in rows]

    def number(name: str, behind: int = 0) -> float:
        try:
            return float(rows[names.index(name) + behind][1].replace(",", ""))
        except (ValueError, IndexError):
            raise ValueError(f"the sizing table has no row {name!r}") from None

    memory, upgrades = "memory of 10,000 idle sessions", "new sessions, with their end"
    messages = "messages of 64 B through a relay, there and back"
    return Measured(
        number(memory) / 10,
        number(memory, 1) / 10,
        number(upgrades),
        number(upgrades, 1),
        number(messages),
        number(messages, 1),
    )


def sizing(one: Measured) -> str:
    """Returns the table of what a gigabyte and a core are good for."""
    lines = []
    for name, kb, upgrades, messages in (
        ("plain", one.kb, one.upgrades, one.messages),
        ("TLS to the client", one.kb_tls, one.upgrades_tls, one.messages_tls),
    ):
        lines.append(
            (
                name,
                f"{kb:g} KB",
                rounded(1e6 / kb),
                rounded(1e6 / (kb + 2 * SOCKET_KB)),
                f"{rounded(upgrades)}; {rounded(upgrades * PLANNED)}",
                f"{rounded(messages)}; {rounded(messages * PLANNED)}",
            )
        )
    heads = ("session", "memory of the gateway", "sessions in a GB of it", "in a GB with the kernel's sockets")
    return markdown.table((*heads, "upgrades/s of a core: full; planned", "messages/s of a core: full; planned"), lines)


def paper(one: Measured) -> str:
    """Returns the table of many sessions."""
    columns = [_column(one, sessions) for sessions in (1_000_000, 10_000_000)]
    lines = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return markdown.table(("", "1,000,000", "10,000,000"), lines)


def _column(one: Measured, sessions: int) -> dict[str, str]:
    needed = math.ceil(sessions / SESSIONS)
    replicas = needed + math.ceil(needed / RESERVE)
    share = sessions / replicas
    balancers = math.ceil(sessions / BALANCED)
    backends = math.ceil(sessions / ON_BACKEND)
    kernel = 2 * SOCKET_KB
    rate = replicas * CORES * one.upgrades * PLANNED
    rate_tls = replicas * CORES * one.upgrades_tls * PLANNED
    steps = math.ceil(1 / AT_ONCE)
    together = replicas / steps
    return {
        f"replicas of {CORES} cores, {SESSIONS:,} sessions each, and a tenth more": f"{replicas:,}",
        "sessions on each then": _n(share),
        "memory of all replicas, the gateway's own; with sockets": _memory(one.kb, sessions),
        "the same with TLS": _memory(one.kb_tls, sessions),
        "memory of one replica with sockets: plain; TLS": (
            f"{_gb((one.kb + kernel) * share)}; {_gb((one.kb_tls + kernel) * share)}"
        ),
        "descriptors of one replica; of each of its workers": f"{_n(2 * share)}; {_n(2 * share / CORES)}",
        f"balancers in TCP mode, {BALANCED:,} sessions each": f"{balancers:,}",
        "memory of one with its sockets; descriptors": (f"{_gb((BALANCER_KB + kernel) * BALANCED)}; {2 * BALANCED:,}"),
        f"ports from one balancer to one replica, of {PORTS:,}": _n(sessions / balancers / replicas),
        f"backends, {ON_BACKEND:,} sessions each": f"{backends:,}",
        f"ports from one replica to one backend, of {PORTS:,}": _n(share / backends),
        "connections that one replica's conntrack would keep": _n(2 * share),
        "pages of tcp_mem on a replica, one for each socket": f"{_n(2 * share)} ({_gb(2 * share * PAGE / 1000)})",
        f"one replica dies, back within {BACK:.0f} s: a second in all; on each": (
            f"{_n(share / BACK)}; {_n(share / BACK / (replicas - 1))}"
        ),
        "all come back at once: seconds, at half of every core; TLS": (
            f"{sessions / rate:.1f}; {sessions / rate_tls:.1f}"
        ),
        f"restart one by one, spread {SPREAD:.0f} s: minutes; reconnects a second": (
            f"{replicas * (SPREAD + AROUND) / 60:.0f}; {_n(share / SPREAD)}"
        ),
        f"restart {AT_ONCE:.0%} at a time: minutes; reconnects a second": (
            f"{steps * (SPREAD + AROUND) / 60:.0f}; {_n(together * share / SPREAD)}"
        ),
    }


def _memory(kb: float, sessions: int) -> str:
    """Returns that of the gateways, and that with the two sockets of each session."""
    return f"{_gb(kb * sessions)}; {_gb((kb + 2 * SOCKET_KB) * sessions)}"


def _n(value: float) -> str:
    return f"{math.ceil(value):,}" if value < 1000 else rounded(value)


def _gb(kb: float) -> str:
    return f"{float(f'{kb / 1e6:.2g}'):,g} GB"


def write(page: Path, performance: Path) -> None:
    """Puts the tables into a page."""
    one = measured(performance.read_text())
    text = page.read_text()
    for region, content in ((SIZING, sizing(one)), (PAPER, paper(one))):
        text = markdown.replace(text, region, content)
    page.write_text(text)


def main(words: Sequence[str]) -> None:
    write(*map(Path, words))


if __name__ == "__main__":
    main(sys.argv[1:])
