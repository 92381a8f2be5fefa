from __future__ import annotations

import ssl
from pathlib import Path

from tests.gate.conftest import NOWHERE, exchange_for, route
from tests.peers.heads import request
from tests.pki import Authority
from wsgate.gate.auth.identity import Admitted, Identity
from wsgate.net.dial import TlsClient
from wsgate.relay.session_info import ClientInfo
from wsgate.settings.model import BackendTls, Relay, RelayBackend, TcpAddress, WebSocketUrl


def test_who_asks() -> None:
    exchange = exchange_for(route(NOWHERE), request("/", {"Host": "gate.example:81"}))
    assert exchange.client_info == ClientInfo("192.0.2.7:50000", host="gate.example:81")
    exchange.admitted = Admitted([("basic", Identity("ann"))])
    assert exchange.client_info == ClientInfo("192.0.2.7:50000", user="ann", host="gate.example:81")


def test_tls_to_the_backends(tmp_path: Path) -> None:
    assert exchange_for(route(NOWHERE)).backend_tls(BackendTls()) is None
    tls = BackendTls(server_name="internal.test", ca=Authority(tmp_path).file)
    action = Relay(to=(RelayBackend(url=WebSocketUrl(TcpAddress("127.0.0.1", 443), None, tls=True)),), tls=tls)
    exchange = exchange_for(route(action))
    client = exchange.backend_tls(tls)
    assert isinstance(client, TlsClient)
    assert isinstance(client.context, ssl.SSLContext)
    assert (client.server_name, client.serve_if_due) == ("internal.test", exchange.gateway.pump.serve_if_due)
