from __future__ import annotations

from pathlib import Path

from tests.gate.conftest import live_tls
from tests.pki import Authority
from wsgate.net.tls.contexts import listener_context
from wsgate.settings.model import Listener, TcpAddress, Tls
from wsgate.site.listener import LiveListener


def test_a_handshake_gets_the_context_of_the_day(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("one.test")
    first, second = (live_tls(listener_context(Tls(certificate=pair.certificate, key=pair.key))) for _ in range(2))
    listener = LiveListener(Listener(bind=TcpAddress("127.0.0.1", 80)))
    assert listener.context is None
    listener.tls = first
    assert listener.context is first.context
    first.renew(second)
    assert listener.context is second.context
