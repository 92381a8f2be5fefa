"""The two formats, and how the values of several processes are put together."""

from __future__ import annotations

import subprocess

import pytest

from tests.programs import find
from wsgate.events.metric_rows import MetricRow, MetricRows
from wsgate.events.metrics import (
    BACKEND_HEALTHY,
    CERTIFICATE,
    DRAINING,
    FDS,
    FRAMES,
    LAG,
    METRICS,
    OPENED,
    SESSIONS,
    SIZE,
    STALLED,
    Kind,
)
from wsgate.ops.admin.exposition import STEP, Gathered, expose, gather, prefers_open_metrics
from wsgate.wire.kernel import FrameCounts, FrameWalk


def text(rows: MetricRows, *, open_metrics: bool = False) -> str:
    gathered: Gathered = {}
    for _ in gather(rows, gathered):
        pass
    return "".join(expose(gathered, open_metrics=open_metrics))


def fill(row: MetricRow) -> None:
    """Something in each metric."""
    for metric in METRICS:
        labels = [f'a "{label}" \\' for label in metric.labels]
        if metric.kind is Kind.HISTOGRAM:
            row.histogram(metric, *labels).observe(0.3)
        elif metric.known:
            row.words(metric, *labels[:-1])[0] = 7
        else:
            row.cell(metric, *labels).set(7)


def test_the_text_format() -> None:
    rows = MetricRows()
    rows.row().cell(OPENED, 'a"b\\c').add(3)
    rows.row().cell(STALLED, "chat", "up").add(1_500_000)
    rows.row().histogram(LAG).observe(0.3)
    rows.row().histogram(LAG).observe(99.0)
    lines = text(rows).splitlines()
    assert lines[:6] == [
        "# HELP wsgate_sessions_opened_total Sessions that have begun.",
        "# TYPE wsgate_sessions_opened_total counter",
        'wsgate_sessions_opened_total{route="a\\"b\\\\c"} 3',
        "# HELP wsgate_stalled_seconds_total How long peers accepted no more.",
        "# TYPE wsgate_stalled_seconds_total counter",
        'wsgate_stalled_seconds_total{route="chat",direction="up"} 1.500000',
    ]
    assert lines[-5:] == [
        'wsgate_event_loop_lag_seconds_bucket{le="0.25"} 0',
        'wsgate_event_loop_lag_seconds_bucket{le="1.0"} 1',
        'wsgate_event_loop_lag_seconds_bucket{le="+Inf"} 2',
        "wsgate_event_loop_lag_seconds_sum 99.300000",
        "wsgate_event_loop_lag_seconds_count 2",
    ]


def test_what_a_walk_counts() -> None:
    rows = MetricRows()
    words = [rows.row().words(metric, "chat", "up") for metric in (FRAMES, SIZE)]
    walk = FrameWalk(masked=False, counts=FrameCounts(*words))
    data = bytearray(b"\x01\x02hi" + b"\x89\x00" + b"\x80\x02!!")
    walk.walk(data, 0, len(data))
    walk.walk(data, walk.resume, len(data))
    lines = text(rows).splitlines()
    assert lines[2:8] == [
        'wsgate_frames_total{route="chat",direction="up",opcode="continuation"} 1',
        'wsgate_frames_total{route="chat",direction="up",opcode="text"} 1',
        'wsgate_frames_total{route="chat",direction="up",opcode="binary"} 0',
        'wsgate_frames_total{route="chat",direction="up",opcode="close"} 0',
        'wsgate_frames_total{route="chat",direction="up",opcode="ping"} 1',
        'wsgate_frames_total{route="chat",direction="up",opcode="pong"} 0',
    ]
    assert lines[10] == 'wsgate_message_size_bytes_bucket{route="chat",direction="up",le="64"} 1'
    assert lines[-2:] == [
        'wsgate_message_size_bytes_sum{route="chat",direction="up"} 4',
        'wsgate_message_size_bytes_count{route="chat",direction="up"} 1',
    ]


def test_open_metrics() -> None:
    rows = MetricRows()
    rows.row().cell(OPENED, "chat").add(3)
    assert text(rows, open_metrics=True).splitlines() == [
        "# HELP wsgate_sessions_opened Sessions that have begun.",
        "# TYPE wsgate_sessions_opened counter",
        'wsgate_sessions_opened_total{route="chat"} 3',
        "# EOF",
    ]


def test_several_processes() -> None:
    rows = MetricRows(2)
    for number, (sessions, healthy, expires, draining) in enumerate([(1, 1, 500, 0), (2, 0, 400, 1)]):
        row = rows.row(number)
        row.cell(SESSIONS, "chat").set(sessions)
        row.cell(BACKEND_HEALTHY, "chat", "a").set(healthy)
        row.cell(CERTIFICATE, "f").set(expires)
        row.cell(DRAINING).set(draining)
        row.cell(FDS, str(number)).set(9)
        row.histogram(LAG).observe(0.1)
    found = text(rows)
    for line in (
        'wsgate_sessions{route="chat"} 3',
        'wsgate_backend_healthy{route="chat",backend="a"} 0',
        'wsgate_certificate_expiry_timestamp_seconds{file="f"} 400',
        "wsgate_draining 1",
        'wsgate_process_open_fds{worker="0"} 9',
        'wsgate_process_open_fds{worker="1"} 9',
        "wsgate_event_loop_lag_seconds_count 2",
    ):
        assert f"\n{line}\n" in found


def test_other_tasks_get_their_turn() -> None:
    rows = MetricRows()
    for number in range(3 * STEP):
        rows.row().cell(OPENED, str(number))
    assert len(list(gather(rows, {}))) == 4


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("filled", [True, False])
def test_promtool_finds_nothing(filled: bool) -> None:
    rows = MetricRows()
    if filled:
        fill(rows.row())
    promtool = find("promtool")
    assert promtool is not None
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text(rows), capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", False),
        (b"*/*", False),
        (b"text/plain", False),
        (b"application/openmetrics-text", True),
        (b"Application/OpenMetrics-Text; version=1.0.0", True),
        (b"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
        (b"application/openmetrics-text;q=0.2, text/plain;q=0.9", False),
        (b"application/openmetrics-text;q=0", False),
        (b"application/openmetrics-text;q=what", False),
    ],
)
def test_which_format_a_client_prefers(accept: bytes, expected: bool) -> None:
    assert prefers_open_metrics(accept) is expected
