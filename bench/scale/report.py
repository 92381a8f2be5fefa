"""The verdicts and figures of a run, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench import markdown
from bench.scale import figures
from bench.scale.claims import Claim
from bench.scale.phases import Story

CLAIMS, PHASES, MACHINE = "scale claims", "scale phases", "scale machine"
WAITED = 0.05  # of a phase: beyond it others had the cores
_HEADS = (
    "phase",
    "seconds",
    "sessions that ended",
    "of these by a Close",
    "begun",
    "most that came in a second",
    "refused",
    "CPU of a replica, a balancer",
    "waited for a core",
)


def text(story: Story, found: Iterable[Claim]) -> str:
    """Returns a table for a terminal."""
    claims = [(each.phase, each.what, each.measured, each.must, "yes" if each.holds else "NO") for each in found]
    parts = [_aligned(_HEADS, _phases(story)), _aligned(("phase", "claim", "measured", "must be", "holds"), claims)]
    return "\n\n".join(parts)


def write(story: Story, found: Iterable[Claim], facts: Mapping[str, str], page: Path) -> None:
    """Puts the tables into a page, between its marks."""
    claims, last = [], ""
    for each in found:
        phase = "" if each.phase == last else f"**{each.phase}**"
        claims.append((phase, each.what, each.measured, each.must, "yes" if each.holds else "**no**"))
        last = each.phase
    contents = {
        CLAIMS: _disturbance(story) + markdown.table(("phase", "what", "measured", "must be", "holds"), claims),
        PHASES: markdown.table(_HEADS, _phases(story)),
        MACHINE: markdown.table(("", ""), {**_own(facts), **_size(story)}.items()),
    }
    before = page.read_text() if page.exists() else ""
    for region, content in contents.items():
        before = markdown.replace(before, region, content)
    page.write_text(before)


def _disturbance(story: Story) -> str:
    """Returns a paragraph if other programs had the cores for longer than ``WAITED``."""
    share, phase = max((story.waited[each.name] / (each.end - each.begin), each.name) for each in story.phases)
    if share <= WAITED:
        return ""
    return f"**This run was disturbed**: one program waited for a core for {share:.0%} of the phase {phase}.\n\n"


def _phases(story: Story) -> list[tuple[str, ...]]:
    lines = []
    for phase in story.phases:
        counts = figures.counts(figures.between(story.events, phase.begin, phase.end))
        ended = sum(ends * clients for ends, clients in counts.ends.items())
        numbers = (ended, counts.codes.total(), counts.opened, counts.busiest)
        refused = " ".join(f"{number} ({status or 'no answer'})" for status, number in counts.refused.items()) or "0"
        seconds = f"{phase.end - phase.begin:.0f}"
        machine = (_cpu(story, phase.name), f"{story.waited[phase.name]:.1f} s")
        lines.append((phase.name, seconds, *(f"{each:,}" for each in numbers), refused, *machine))
    return lines


def _cpu(story: Story, phase: str) -> str:
    """Returns the shares of a core that the busiest of those took that ran throughout."""
    shares = [
        max((share for name, share in story.cpu[phase].items() if name.startswith(kind)), default=None)
        for kind in ("r", "lb")
    ]
    return ", ".join("-" if share is None else f"{share:.0%}" for share in shares)


def _own(facts: Mapping[str, str]) -> dict[str, str]:
    """Returns the facts without the programs that take no part."""
    return {name: fact for name, fact in facts.items() if name not in ("nginx", "websockify")}


def _size(story: Story) -> dict[str, str]:
    plan = story.plan
    return {
        "sessions": f"{plan.sessions:,}, on {plan.replicas} replicas, with {plan.backends} backends",
        "balancers": f"{plan.balancers}, leastconn; a check each {plan.check:g} s, down after {plan.fall}",
        "clients": f"back within {plan.reconnect:g} s, a Ping each {plan.ping:g} s, given up after {plan.silence:g} s",
        "drain": f"delay {plan.delay:g} s, spread {plan.spread:g} s",
        "kernel objects of a TCP socket": f"{_socket_kb(story):.1f} KB, in the mean of six for each session",
    }


def _socket_kb(story: Story) -> float:
    """Returns the kernel's memory for an open socket. A session has six: its client's, its backend's and twice two."""
    before, after = story.slab
    return (after - before) / 1000 / (6 * story.plan.sessions)


def _aligned(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *lines)
    )
