import pytest

from wsgate.commands.table import age, octets, printable, table


def test_columns() -> None:
    rows = [("1f", "chat", "9 B"), ("2-1f", "x", "10 KiB")]
    assert table(("ID", "ROUTE", "UP"), rows, right={"UP"}) == [
        "ID    ROUTE      UP",
        "1f    chat      9 B",
        "2-1f  x      10 KiB",
    ]
    assert table(("A", "B"), []) == ["A  B"]


def test_nothing_in_a_cell_moves_the_cursor() -> None:
    assert printable("a\x1b[2J\nb\u202e") == "a\\x1b[2J\\x0ab\\x202e"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90061, "1d01h")],
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10 << 20, "10.0 MiB"), (5 << 50, "5120.0 TiB")],
)
def test_sizes(number: int, text: str) -> None:
    assert octets(number) == text
