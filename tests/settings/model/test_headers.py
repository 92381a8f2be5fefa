from wsgate.settings.model.headers import Headers, ToBackend, ToClient


def test_nothing_is_changed_unless_it_is_written() -> None:
    assert Headers() == Headers(to_backend=ToBackend(set_=(), add=(), remove=()), to_client=ToClient())
