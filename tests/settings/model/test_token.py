import dataclasses

from wsgate.settings.model.token import SOURCES, Token


def test_each_source_is_a_key_that_may_be_left_out() -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(Token)}
    assert {defaults[source] for source in SOURCES} == {None}
