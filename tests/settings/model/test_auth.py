from wsgate.settings.model.auth import Auth, Basic, ClientCertificateAuth


def test_each_kind_is_asked_for_by_itself() -> None:
    assert Auth(basic=Basic()).client_certificate is None
    assert Auth(client_certificate=ClientCertificateAuth()).basic is None
