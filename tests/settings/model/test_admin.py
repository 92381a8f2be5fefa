from wsgate.settings.model import SCHEMES_PORT, TcpAddress, UnixAddress
from wsgate.settings.model.admin import ADMIN_PORT, Admin


def test_a_bind_without_a_port_has_the_admins() -> None:
    assert Admin(bind=TcpAddress("127.0.0.1", SCHEMES_PORT)).bind == TcpAddress("127.0.0.1", ADMIN_PORT)
    for bind in (TcpAddress("127.0.0.1", 1), UnixAddress("/run/a.sock")):
        assert Admin(bind=bind).bind == bind
