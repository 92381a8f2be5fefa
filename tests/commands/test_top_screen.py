from __future__ import annotations

from dataclasses import replace

import pytest

from tests.commands.top import backend, session, snapshot
from tests.docs.pages import blocks
from wsgate.commands.snapshot import Rates
from wsgate.commands.top_orders import BY_COLUMN, ORDERS
from wsgate.commands.top_screen import View, screen

BEFORE = snapshot(10.0, session("1"), session("2", bytes_up=1 << 20), session("3", route="a-route-with-a-long-name"))
NOW = snapshot(
    12.0,
    session("1", bytes_up=100, bytes_down=4096, messages_up=2, client_rtt_ms=1.54),
    session("2", bytes_up=1 << 20, user="a\x1bn", duration=5, client_rtt_ms=40),
    session("3", bytes_up=300, route="a-route-with-a-long-name", backend="ws://backend-with-a-long-name:9000"),
    backends=[backend(), backend("ws://b:2", healthy=False, failures=3)],
)
VIEW = View("http://127.0.0.1:9600", NOW, BEFORE)


def text(view: View, width: int = 80, height: int = 24, *, keys: bool = True) -> list[str]:
    return [line.plain.rstrip() for line in screen(view, width, height, keys=keys)]


def test_a_screen() -> None:
    assert text(VIEW, 108, 14) == [
        "wsgate 1  ready  3 sessions                                                            http://127.0.0.1:9600",
        "up    200 B/s    1.0 msg/s   down  2.0 KiB/s      0 msg/s",
        "",
        "ROUTE  BACKEND   STATE      SESSIONS  FAILURES",
        "chat   ws://b:2  unhealthy         3         3",
        "chat   ws://b:1  well              3         0",
        "",
        "ID  ROUTE            CLIENT          USER    BACKEND                 AGE      UP/s    DOWN/s      RTT  STATE",
        "1   chat             192.0.2.1:5000  -       ws://b:1              1m01s      50 B   2.0 KiB   1.5 ms  open",
        "3   a-route-with-a…  192.0.2.1:5000  -       ws://backend-with-…   1m01s     150 B       0 B        -  open",
        "2   chat             192.0.2.1:5000  a\\x1bn  ws://b:1                 5s       0 B       0 B    40 ms  open",
        "",
        "",
        "m most per second  s newest  u bytes up  d bytes down  r RTT  q quit",
    ]


def test_the_screen_of_the_page() -> None:
    (block,) = [block for block in blocks("text") if block.text.startswith("wsgate 0.1.0  ready")]
    ids = {"2-20": "127.0.0.1:53142", "1-8": "127.0.0.1:52696", "2-4": "127.0.0.1:52642"}
    seen: list[dict[str, object]] = [
        {"user": "ann", "duration": 17, "bytes_up": 1100, "bytes_down": 2870, "client_rtt_ms": 0.3},
        {"user": "bob", "duration": 80, "bytes_up": 124, "bytes_down": 224, "client_rtt_ms": 1.2},
        {"user": None, "duration": 7500, "client_rtt_ms": 40},
    ]
    moved: list[dict[str, object]] = [
        {"messages_up": 40, "messages_down": 40},
        {"messages_up": 8, "messages_down": 8},
        {},
    ]
    sessions = [
        session(id, client=client, backend="ws://127.0.0.1:9000", **fields, **more)
        for (id, client), fields, more in zip(ids.items(), seen, moved, strict=True)
    ]
    backends = [
        backend("ws://127.0.0.1:9000"),
        backend("ws://127.0.0.1:9001", sessions=0, failures=3, healthy=False),
    ]
    now = snapshot(2.0, *sessions, backends=backends, version="0.1.0")
    before = snapshot(0.0, *(session(id, client=client) for id, client in ids.items()))
    view = View("unix:/run/wsgate/admin.sock", now, before)
    assert text(view, 80, 13) == block.text.splitlines()


def test_nothing_wraps_whatever_the_size() -> None:
    view = replace(VIEW, now=replace(NOW, backends={"backends": [backend(f"ws://backend{n}:1") for n in range(30)]}))
    for order in ORDERS:
        for width in range(1, 200, 7):
            for height in range(1, 60, 3):
                for keys in (True, False):
                    lines = screen(replace(view, order=order), width, height, keys=keys)
                    assert len(lines) == height if keys else len(lines) <= height
                    assert max(line.cell_len for line in lines) <= width
                    assert not any("\n" in line.plain for line in lines)


@pytest.mark.parametrize(
    ("key", "ids", "marked"),
    [
        ("m", ["1", "3", "2"], ["UP/s", "DOWN/s"]),
        ("s", ["2", "1", "3"], ["AGE"]),
        ("u", ["2", "3", "1"], ["UP"]),
        ("d", ["1", "2", "3"], ["DOWN"]),
        ("r", ["2", "1", "3"], ["RTT"]),
    ],
)
def test_orders(key: str, ids: list[str], marked: list[str]) -> None:
    (order,) = (order for order in ORDERS if order.key == key)
    lines = screen(replace(VIEW, order=order), 80, 24)
    (at,) = (number for number, line in enumerate(lines) if line.plain.startswith("ID "))
    assert [line.plain.split()[0] for line in lines[at + 1 : at + 4]] == ids
    assert [
        lines[at].plain[span.start : span.end].strip() for span in lines[at].spans if span.style == "reverse"
    ] == marked
    (active,) = (span for span in lines[-1].spans if "reverse" in str(span.style))
    assert lines[-1].plain[active.start : active.end] == f"{key} {order.name}"


@pytest.mark.parametrize("column", BY_COLUMN)
def test_a_column_that_sorts_is_marked_and_named(column: str) -> None:
    order = BY_COLUMN[column]
    lines = screen(replace(VIEW, order=order), 200, 24)
    (at,) = (number for number, line in enumerate(lines) if line.plain.startswith("ID "))
    marked = {lines[at].plain[span.start : span.end].strip() for span in lines[at].spans if span.style == "reverse"}
    assert marked == order.columns
    assert column.upper() in {name.upper() for name in marked}
    (active,) = (span for span in lines[-1].spans if "reverse" in str(span.style))
    assert lines[-1].plain[active.start : active.end].endswith(order.name)


def test_before_the_second_answer_no_rate_is_known() -> None:
    lines = text(replace(VIEW, before=None))
    assert lines[1] == "up        -/s      - msg/s   down        -/s      - msg/s"


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (
            snapshot(1.0, ready=False, reasons=["draining: 1 of 2 sessions are still open", "b\n"]),
            "not ready: draining: 1 ",
        ),
        (snapshot(1.0, missing=[2]), "ready: worker 2 did not answer  0 sessions"),
        (snapshot(1.0, session()), "ready  1 session "),
    ],
)
def test_the_state(now: object, state: str) -> None:
    assert text(replace(VIEW, now=now))[0].startswith(f"wsgate 1  {state}")  # type: ignore[arg-type]


def test_a_gateway_that_is_away() -> None:
    lines = text(replace(VIEW, trouble="no answer from\x1b unix:/a: Connection refused", silence=65.0))
    assert lines[0].startswith("wsgate 1  no answer for 1m05s  3 sessions")
    assert lines[1] == "no answer from\\x1b unix:/a: Connection refused"
    assert lines[8].startswith("1   chat")  # what was seen last stays


def test_no_session_and_no_backend() -> None:
    assert text(replace(VIEW, now=snapshot(1.0)), keys=False)[1:] == [
        "up      0 B/s      0 msg/s   down      0 B/s      0 msg/s",
        "",
        "no sessions",
    ]


def test_more_than_fit() -> None:
    now = snapshot(
        12.0,
        *(session(str(number)) for number in range(50)),
        total=5000,
        backends=[backend(f"ws://b:{number}", draining=number == 40) for number in range(50)],
    )
    lines = text(replace(VIEW, now=now, filter={"route": "chat", "q": "a"}), 120)
    assert lines[1].endswith("   of 50 of 5000 sessions with route=chat q=a")
    moved = text(replace(VIEW, now=replace(now, moved=Rates(1, 2, 3, 4))), 120)[1]
    assert moved == "up      3 B/s    1.0 msg/s   down      4 B/s    2.0 msg/s"
    assert lines[4] == "chat   ws://b:40  draining         3         0"
    assert "… 45 more backends, well" in lines
    assert lines[-2] == "… 4990 more sessions"


def test_numbers() -> None:
    before = snapshot(10.0, session("1"))
    now = snapshot(11.0, session("1", bytes_up=1023, bytes_down=1024 * 1023 + 1000, messages_up=12345678))
    (line,) = (line for line in text(View("a", now, before), 200) if line.startswith("1 "))
    assert line.split()[6:10] == ["1023", "B", "1.0", "MiB"]
