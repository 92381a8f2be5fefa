"""What a run says about how much one core carries, for who has to choose a machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.results import Run
from bench.stats import median

WSGATE = "wsgate"


def per_core(cpu_us: float) -> str:
    """From the CPU time of one: the generator, which may have been what limited the rate, does not matter."""
    return f"{rounded(1e6 / cpu_us)} a second"


def of_ten_thousand(kb_session: float) -> str:
    return f"{rounded(kb_session * 10)} MB"


def seconds(value: float) -> str:
    return f"{value:.1f} s"


def rounded(value: float) -> str:
    """Two digits are enough for a size."""
    return f"{float(f'{value:.2g}'):,.0f}"


@dataclass(frozen=True, slots=True)
class Size:
    what: str
    row: str
    quantity: str
    shown: Callable[[float], str]


SIZES = (
    Size("messages of 64 B through a relay, there and back", "relay-64", "cpu_us", per_core),
    Size("the same with TLS to the client", "tls-64", "cpu_us", per_core),
    Size("the same from one client alone, which waits for each echo", "relay-64-1", "cpu_us", per_core),
    Size("messages of 4 KiB, there and back", "relay-4k", "cpu_us", per_core),
    Size("messages of 64 KiB, there and back", "relay-64k", "cpu_us", per_core),
    Size("the same with TLS to the client", "tls-64k", "cpu_us", per_core),
    Size("messages of 64 B through a tunnel, there and back", "tunnel-64", "cpu_us", per_core),
    Size("new sessions, with their end", "sessions", "cpu_us", per_core),
    Size("the same over TLS, each with a full handshake", "sessions-tls", "cpu_us", per_core),
    Size("plain HTTP requests that are forwarded", "http", "cpu_us", per_core),
    Size("until 5,000 clients are back, which all come at once", "storm", "up_s", seconds),
    Size("the same over TLS", "storm-tls", "up_s", seconds),
    Size("memory of 10,000 idle sessions", "idle-8000", "kb_session", of_ten_thousand),
    Size("the same with TLS", "idle-tls", "kb_session", of_ten_thousand),
)


def lines(run: Run) -> list[tuple[str, str]]:
    """What the run has measured of ``SIZES``."""
    found = []
    for size in SIZES:
        row = run.row(size.row)
        value = median(row.samples.get(WSGATE, ()), size.quantity) if row else None
        if value:
            found.append((size.what, size.shown(value)))
    return found
