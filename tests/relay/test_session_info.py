from __future__ import annotations

from wsgate.relay.session_info import ClientInfo, SessionInfo


def test_of_a_client_only_what_is_known() -> None:
    everything = {
        "client": "192.0.2.7",
        "peer": "10.0.0.1:5",
        "subject": "CN=worker 7",
        "user": "alice",
        "host": "chat.example.com",
        "user_agent": "x/1",
    }
    assert ClientInfo(*everything.values()).fields() == everything
    assert ClientInfo("192.0.2.7").fields() == {"client": "192.0.2.7"}


def test_a_session_in_the_logs_words() -> None:
    info = SessionInfo("1f", "chat", ClientInfo("192.0.2.7:5", host="gate.test"), "ws://b", "/chat", None, 7.5)
    assert info.fields() == {
        "id": "1f",
        "route": "chat",
        "client": "192.0.2.7:5",
        "host": "gate.test",
        "backend": "ws://b",
        "path": "/chat",
        "subprotocol": None,
        "request_id": None,
    }
