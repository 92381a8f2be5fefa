import dataclasses

from wsgate.settings.model import TcpAddress, WebSocketUrl
from wsgate.settings.model.relay import Balance, RelayBackend


def test_a_backend_is_its_url() -> None:
    backend = RelayBackend(url=WebSocketUrl(TcpAddress("a.example", 443), "/base", tls=True), weight=2)
    assert backend.address == TcpAddress("a.example", 443)
    assert backend.tls
    assert str(backend) == "wss://a.example:443/base"


def test_what_may_be_written_alone_is_a_key() -> None:
    for cls in (RelayBackend, Balance):
        assert cls.SHORT in {field.name for field in dataclasses.fields(cls)}
