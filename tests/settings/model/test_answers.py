import dataclasses

from wsgate.settings.model.answers import Files, Redirect, Respond


def test_what_may_be_written_alone_is_a_key() -> None:
    for cls in (Redirect, Respond):
        assert cls.SHORT in {field.name for field in dataclasses.fields(cls)}


def test_directories_are_not_listed_unasked() -> None:
    assert not Files(root="/srv").listing
