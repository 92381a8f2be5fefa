"""The row of an enum: its words, and what is said of any other."""

import enum

import pytest

from wsgate.settings.scalar_type import enumeration
from wsgate.text.error import TextError


class Fruit(enum.Enum):
    APPLE = "apple"
    PEAR = "pear"
    PLUM = "plum"


class Only(enum.Enum):
    ONE = "one"


def test_the_words_of_an_enum_are_its_values() -> None:
    row = enumeration(Fruit)
    assert row.parse("pear") is Fruit.PEAR
    assert row.show(Fruit.PEAR) == "pear"
    assert row.schema == {"enum": ["apple", "pear", "plum"]}
    assert row.expected == "apple, pear or plum"
    assert enumeration(Only).expected == "one"


class Much(enum.Enum):
    MUCH = "much"
    OFF = "off"


def test_off_as_a_word_needs_no_quotes() -> None:
    """YAML 1.1 reads it as a boolean, and so do the editors that go by the schema."""
    row = enumeration(Much)
    assert row.parse("off") is Much.OFF
    assert row.kinds == {"str", "bool"}
    assert row.schema == {"enum": ["much", "off", False]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("aple", "expected apple, pear or plum, found 'aple'; did you mean 'apple'?"),
        ("PLUM", "expected apple, pear or plum, found 'PLUM'; did you mean 'plum'?"),
        ("", "expected apple, pear or plum, found ''"),
    ],
)
def test_another_word_is_an_error_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        enumeration(Fruit).parse(text)
    assert str(caught.value) == message
