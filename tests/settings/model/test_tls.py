from wsgate.settings.model import ClientAuth, TlsVersion
from wsgate.settings.model.tls import BackendTls, Certificate, Tls


def test_what_is_left_out_is_the_safe_choice() -> None:
    assert Tls().min_version is TlsVersion.TLS12
    assert Tls().client_auth is ClientAuth.REQUIRED
    assert not Tls().plaintext
    assert BackendTls().verify


def test_one_certificate_needs_no_list() -> None:
    assert issubclass(Tls, Certificate)
    assert issubclass(BackendTls, Certificate)
