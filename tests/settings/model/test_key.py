import dataclasses

from wsgate.settings.model.key import setting


@dataclasses.dataclass(frozen=True)
class Example:
    given: int = setting("What must be given.", required=True)
    left_out: int | None = setting("What may be left out.", default=None)


def test_a_key_has_its_documentation_and_its_default() -> None:
    given, left_out = dataclasses.fields(Example)
    assert given.metadata == {"doc": "What must be given.", "required": True, "secret": False}
    assert given.default is dataclasses.MISSING
    assert left_out.metadata == {"doc": "What may be left out.", "required": False, "secret": False}
    assert left_out.default is None
