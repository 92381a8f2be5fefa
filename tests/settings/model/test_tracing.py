from wsgate.settings.model.tracing import Tracing


def test_every_trace_is_kept_unless_less_is_asked_for() -> None:
    assert Tracing(to="http://a/v1/traces").sample == 100
