"""What a session's outcome says without more than its counts."""

from __future__ import annotations

from wsgate.relay.closing import Cause, Side
from wsgate.relay.outcome import Outcome


def test_a_session_of_the_plainest_kind() -> None:
    """A tunnel has no largest message down, nothing of it is compressed, and it may end without a Close."""
    outcome = Outcome(Cause.GONE, Side.CLIENT, "reset", None, None, 1, 2, 3, 4, None, None)
    assert (outcome.messages_up, outcome.messages_down, outcome.octets_up, outcome.octets_down) == (1, 2, 3, 4)
    assert outcome.largest_up is outcome.largest_down is None
    assert outcome.codec_up is outcome.codec_down is None
    assert outcome.client_reason == outcome.backend_reason == ""
    assert outcome.throttled_up == outcome.throttled_down == 0.0
