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


def test_sessions_of_one_page_and_browser_share_their_texts() -> None:
    """Each as it was read from its own request."""
    one, other = (
        SessionInfo(
            id,
            "chat",
            ClientInfo("192.0.2.7:5", host="".join(["gate", ".test"]), agent="".join("x/1")),
            "b",
            "".join("/chat"),
            None,
            1,
        )
        for id in ("1", "2")
    )
    assert one.path is other.path
    assert one.client.host is other.client.host
    assert one.client.agent is other.client.agent
