import pytest

from wsgate.text.error import TextError
from wsgate.text.port import looks_like_port, port_number


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("080", 80), ("65535", 65535)])
def test_ports(text: str, number: int) -> None:
    assert port_number(text) == number
    assert looks_like_port(text)


@pytest.mark.parametrize("text", ["", "0", "65536", "99999", "000080", "-1", "+1", " 1", "1\n", "٣", "0x50", "http"])
def test_other_texts_are_no_port(text: str) -> None:
    with pytest.raises(TextError) as caught:
        port_number(text)
    assert str(caught.value) == f"{text!r} is not a port: a port is a number from 1 to 65535"
    assert caught.value.problem == "is not a port: a port is a number from 1 to 65535"


def test_zero_is_a_port_where_the_kernel_may_choose_one() -> None:
    assert port_number("0", lowest=0) == 0


def test_a_port_that_is_out_of_range_was_meant_for_one() -> None:
    assert looks_like_port("99999")
    assert not looks_like_port("100000")
    assert not looks_like_port("http")


@pytest.mark.parametrize("text", ["80 ssl", "80, 81", "80;x"])
def test_what_stands_behind_a_port_is_too_much(text: str) -> None:
    with pytest.raises(TextError) as caught:
        port_number(text)
    assert str(caught.value) == f"{text!r} is more than a port: write 80, and nothing behind it"
