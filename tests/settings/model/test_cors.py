from wsgate.settings.model.cors import Cors


def test_credentials_are_not_let_through_unasked() -> None:
    assert not Cors().credentials
