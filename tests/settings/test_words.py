"""The words of the configuration."""

from __future__ import annotations

import enum

import pytest

from wsgate.settings import model, words

KINDS = [each for each in vars(words).values() if isinstance(each, type) and issubclass(each, enum.Enum)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_words_are_written_without_blanks_and_quotes(kind: type[enum.Enum]) -> None:
    """YAML reads on and off as words, too, but true and 1 as something else."""
    assert getattr(model, kind.__name__) is kind
    for member in kind:
        assert isinstance(member.value, str)
        assert member.value.isprintable()
        assert not set(member.value) & set(" '\"#{}[],")
        assert member.value not in ("true", "false", "null", "")
