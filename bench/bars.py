"""A bar chart as SVG text: groups of horizontal bars, a value at the end of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 760, 170, 70  # pixels; the labels stand left of the bars, the values right of them
BAR, GAP, SPACE = 15, 2, 14  # a bar's height, between two bars, between two groups
HEAD, FOOT = 92, 14
INK, FAINT, PAPER = "#1f2933", "#9aa5b1", "#ffffff"
GRID = 'stroke="#e4e7eb"'


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    colour: str
    value: float


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    bars: Sequence[Bar]


def draw(title: str, subtitle: str, groups: Sequence[Group], *, logarithmic: bool, line: bool) -> str:
    """``line`` draws a line at 1, for values that are ratios; a logarithmic axis has one at each power of ten."""
    bars = [bar for group in groups for bar in group.bars]
    position, grid = _scale([bar.value for bar in bars], logarithmic)
    parts = [
        _text(20, 30, title, size=17, weight="bold"),
        _text(
            20,
            50,
            subtitle + ("; logarithmic, a line for each power of ten" if logarithmic else ""),
            size=12,
            colour="#616e7c",
        ),
        *_legend({bar.name: bar.colour for bar in bars}),
    ]
    bottom = HEAD + sum(len(group.bars) * (BAR + GAP) - GAP + SPACE for group in groups) - SPACE
    parts += [_vertical(LEFT + position(value), bottom, GRID) for value in grid]
    if line:
        parts.append(_vertical(LEFT + position(1.0), bottom, f'stroke="{INK}" stroke-dasharray="3 3"'))
    y = HEAD
    for group in groups:
        height = len(group.bars) * (BAR + GAP) - GAP
        parts.append(_text(LEFT - 10, y + height / 2 + 4, group.label, anchor="end"))
        for bar in group.bars:
            end = position(bar.value)
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{end:.1f}" height="{BAR}" rx="2" fill="{bar.colour}"/>')
            parts.append(_text(LEFT + end + 6, y + BAR - 3.5, _number(bar.value), size=11, halo=True))
            y += BAR + GAP
        y += SPACE - GAP
    parts.append(_vertical(LEFT, bottom, f'stroke="{FAINT}"'))
    height = bottom + FOOT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _scale(values: Sequence[float], logarithmic: bool) -> tuple[Callable[[float], float], list[float]]:
    """Where a value stands, in pixels from the axis, and the values that get a line: the decades."""
    room = WIDTH - LEFT - RIGHT
    most = max(values, default=1.0)
    if not logarithmic:
        return lambda value: room * value / max(most, 1.0), []
    decade = math.floor(math.log10(min(values, default=1.0)))
    least = 10.0 ** (decade - 0.3)  # a little before the decade, so that the least bar is not empty
    decades = [10.0**power for power in range(decade, math.floor(math.log10(most)) + 1)]
    return lambda value: room * math.log(value / least) / math.log(most / least), decades


def _vertical(x: float, bottom: float, style: str) -> str:
    return f'<line x1="{x:.1f}" y1="{HEAD - 5}" x2="{x:.1f}" y2="{bottom + 5}" {style}/>'


def _legend(names: dict[str, str]) -> list[str]:
    parts, x = [], 20.0
    for name, colour in names.items():
        parts.append(f'<rect x="{x:.0f}" y="63" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 18, 73, name))
        x += 18 + 6.9 * len(name) + 18
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
    halo: bool = False,
) -> str:
    around = f' paint-order="stroke" stroke="{PAPER}" stroke-width="4"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}"{around}>{escape(text)}</text>'
    )


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
