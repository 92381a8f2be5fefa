"""Configurations: a file is accepted or refused with a message, and no fault of it raises another exception."""

from __future__ import annotations

import functools
from pathlib import Path
from random import Random

from wsgate.settings.load import ConfigError, Problem, reads
from wsgate.site.build import try_out

from .inputs import chance, mutated

_FULL = Path(__file__).parents[2] / "config/full.yaml"
_ODD = (
    "~",
    "[]",
    "{}",
    "-1",
    "1e400",
    "'",
    "!!python/object:x {}",
    "*a",
    "&a",
    "0x7f",
    "2024-01-01",
    "é",
    "${X:-",
    "\t",
)
_SMALL = """
listeners: [{bind: 127.0.0.1:0}]
limits: {sessions: 5, head: 16KiB}
routes:
  - {name: a, match: {path: "~^/a+$", host: "*.x.example"}, relay: {to: [ws://h:1/x]}, origins: ["app://x"]}
  - {name: b, tunnel: {target: {from: [query:a]}, allow: [10.0.0.0/8:1-2]}, timeouts: {idle: 5s}, heartbeat: off}
  - {name: c, tunnel: {to: [unix:/run/x, tls://h:1], subprotocols: [binary]}, limits: {message: 1MiB}}
"""


def configurations(random: Random) -> None:
    text = _SMALL
    if chance(random, 10):  # it takes long to read
        parts = _parts()
        text = parts[0] + "".join(random.sample(parts[1:], random.randrange(1, 3)))
    changed = mutated(random, text.encode(), 1).decode("utf-8", "replace")
    if chance(random, 2):
        at = random.randrange(len(changed))
        end = changed.find(random.choice(" ,]}\n"), at)
        changed = changed[:at] + random.choice(_ODD) + changed[max(at, end) :]
    warnings: list[Problem] = []
    try:
        draft = reads(changed, "wsgate.yaml")
        warnings = draft.warnings
        try_out(draft)
    except ConfigError as error:
        warnings = [*warnings, *error.problems]
    for problem in warnings:
        str(problem).encode()


@functools.cache
def _parts() -> list[str]:
    """All that stands in front of the first route, and each route."""
    head, _, routes = _FULL.read_text().partition("\nroutes:\n")
    return [f"{head}\nroutes:\n", *(f"  - name:{route}" for route in routes.split("  - name:")[1:])]
