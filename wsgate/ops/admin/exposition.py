"""The metrics of all processes as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0.

Both are a few lines for each metric, and the values are in shared memory already. So this is written here: a client
library would want objects of its own for the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgate.events.metric_rows import Labels, MetricRows
from wsgate.events.metrics import METRICS, Across, Kind, Metric

TEXT = b"text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

STEP = 200  # entries that are read at once: less than a millisecond

Values = tuple[int, ...]
# By metric, then by the values of its labels
Gathered = dict[str, dict[Labels, Values]]


def gather(rows: MetricRows, gathered: Gathered) -> Iterator[None]:
    """Puts the present values of all processes together in ``gathered``. Yields after each step, for other tasks."""
    count = 0
    for number in range(len(rows)):
        for metric, labels, values in rows.read(number):
            found = gathered.setdefault(metric.name, {})
            before = found.get(labels)
            found[labels] = values if before is None else _together(metric, before, values)
            count += 1
            if not count % STEP:
                yield
    yield


def expose(gathered: Gathered, *, open_metrics: bool) -> Iterator[str]:
    """Yields the text, a metric at a time."""
    for metric in METRICS:
        if found := gathered.get(metric.name):
            yield _family(metric, found, open_metrics)
    if open_metrics:
        yield "# EOF\n"


def prefers_open_metrics(accept: bytes) -> bool:
    """Whether a client would rather have OpenMetrics than plain text, by its Accept (RFC 9110 §12.5.1)."""
    best = {b"application/openmetrics-text": 0.0, b"text/plain": 0.0}
    for element in accept.lower().split(b","):
        kind, *parameters = (part.strip() for part in element.split(b";"))
        if kind in best:
            best[kind] = max(best[kind], _quality(parameters))
    wanted, plain = best.values()
    return wanted > 0 and wanted >= plain


def _quality(parameters: list[bytes]) -> float:
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _together(metric: Metric, one: Values, other: Values) -> Values:
    if metric.across is Across.LEAST:
        return min(one, other)
    if metric.across is Across.MOST:
        return max(one, other)
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _family(metric: Metric, found: dict[Labels, Values], open_metrics: bool) -> str:
    name = metric.name.removesuffix("_total") if open_metrics else metric.name
    lines = [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind.value}"]
    names = metric.labels[:-1] if metric.known else metric.labels
    for labels, values in sorted(found.items()):
        pairs = [f'{label}="{_escape(value)}"' for label, value in zip(names, labels, strict=True)]
        if metric.kind is Kind.HISTOGRAM:
            lines += _histogram(metric, pairs, values)
            continue
        for known, value in zip(metric.known or ("",), values, strict=True):
            last = [f'{metric.labels[-1]}="{known}"'] if known else []
            lines.append(f"{metric.name}{_braces(pairs + last)} {_number(value, metric.scale)}")
    return "\n".join(lines) + "\n"


def _histogram(metric: Metric, pairs: list[str], values: Values) -> Iterator[str]:
    *counts, total = values
    below = 0
    for bound, count in zip((*metric.buckets, None), counts, strict=True):
        below += count
        limit = 'le="+Inf"' if bound is None else f'le="{bound}"'
        yield f"{metric.name}_bucket{_braces([*pairs, limit])} {below}"
    yield f"{metric.name}_sum{_braces(pairs)} {_number(total, metric.scale)}"
    yield f"{metric.name}_count{_braces(pairs)} {below}"


def _braces(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: int, scale: float) -> str:
    return str(value) if scale == 1 else f"{value * scale:.6f}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
