"""The sessions of each replica over time, as SVG text, with the phases marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.scale import figures
from bench.scale.phases import Story

WIDTH, HEIGHT = 760, 400  # pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 92, 44
STEP = 0.5  # seconds between two points
INK, FAINT, PALE, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
COLOURS = ("#1a7f5a", "#5b7fb5", "#d08a3c", "#a3476f", "#6b5b95", "#4f9da6", "#8a8a3c", "#9aa5b1")


def draw(story: Story) -> str:
    samples = figures.samples(story.events, STEP)
    names = sorted({name for sample in samples for name in sample.replicas})
    begin, end = story.phases[0].begin, story.phases[-1].end
    # nothing changes between the last event and the end
    shown = [*samples[:-1], dataclasses.replace(samples[-1], at=end)] if samples else []
    most = max((max(sample.replicas.values(), default=0) for sample in samples), default=0) or 1

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - begin) / (end - begin)

    def y(sessions: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * sessions / (most * 1.05)

    parts = [
        _text(20, 30, "Sessions of each replica", size=17, weight="bold"),
        _text(20, 50, f"{story.plan.sessions:,} clients behind {story.plan.balancers} balancers", colour=FAINT),
        *_legend(names),
    ]
    for tick in _ticks(most):
        parts.append(f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y(tick):.1f}" stroke="{PALE}"/>')
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:,}", anchor="end", size=11, colour=FAINT))
    for number, phase in enumerate(story.phases):
        if number:
            parts.append(
                f'<line x1="{x(phase.begin):.1f}" y1="{TOP}" x2="{x(phase.begin):.1f}" y2="{HEIGHT - BOTTOM}" '
                f'stroke="{FAINT}" stroke-dasharray="3 3"/>'
            )
        # short phases stand beside each other: their names take turns below the axis
        middle = x((phase.begin + phase.end) / 2)
        parts.append(_text(middle, HEIGHT - BOTTOM + 16 + 14 * (number % 2), phase.name, anchor="middle", size=11))
    for name, colour in zip(names, _colours(names), strict=True):
        points = " ".join(f"{x(sample.at):.1f},{y(sample.replicas[name]):.1f}" for sample in shown)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    if story.dead is not None:
        parts.append(_text(x(story.dead[1]), TOP - 6, f"{story.dead[0]} dies", anchor="middle", size=11))
    parts.append(_text(WIDTH - RIGHT, TOP - 6, f"{end - begin:.0f} s", anchor="end", size=11, colour=FAINT))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="Sessions of each replica over time">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _ticks(most: int) -> list[int]:
    """Returns round numbers from 0 to ``most``, four to eight of them if there are so many."""
    for step in (factor * 10**power for power in range(8) for factor in (1, 2, 5)):
        if most // step <= 8:
            break
    return list(range(0, most + 1, step))


def _colours(names: Sequence[str]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(names))]


def _legend(names: Sequence[str]) -> list[str]:
    parts, at = [], 20.0
    for name, colour in zip(names, _colours(names), strict=True):
        parts.append(f'<rect x="{at:.0f}" y="63" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(at + 18, 73, name))
        at += 18 + 7 * len(name) + 18
    return parts


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    colour: str = INK,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
