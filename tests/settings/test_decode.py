import os

import pytest

from wsgate.settings.decode import Broken, Decoder
from wsgate.settings.model import (
    Defaults,
    Drain,
    Files,
    Listener,
    Log,
    LogFormat,
    LogLevel,
    Match,
    PathKind,
    PathPattern,
    Relay,
    Route,
    RouteLimits,
    Settings,
    TcpAddress,
    TextFrames,
    Timeouts,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.nodes import compose

EVERYTHING = """
log: {format: text, level: error}
drain: {grace: 0s, code: 1012}
routes:
  - name: a
    match: {host: A.example, path: /a/*, subprotocol: v1}
    timeouts: {connect: 1s}
    limits: {message: off}
    relay: {to: "ws://a:1/x", validate_text: false}
  - name: b
    match: {host: [b.example, "*.b.example"], path: "~/b", subprotocol: [v1, v2]}
    tunnel: {to: [tcp://b:1, unix:/b], subprotocols: mqtt, text: accept}
  - name: c
    timeouts: {handshake: 2s, connect: 3s, close: 4s}
    limits: {}
    files: {root: c/../d}
defaults:
  timeouts: {handshake: 7s, close: 8s}
  limits: {message: 1KiB}
listeners:
  - bind: "[::1]:0"
  - {bind: unix:/l}
"""

RELAY = Relay(to=(WebSocketUrl(TcpAddress("x", 80), None),))


def decode(text: str, file: str = "/etc/wsgate/wsgate.yaml") -> tuple[Settings, Decoder]:
    decoder = Decoder(file)
    return decoder.settings(compose(text, file)), decoder


def faults(text: str) -> list[str]:
    return [str(problem) for problem in decode(text, "f")[1].problems]


def routes(text: str) -> str:
    """A right file around the routes."""
    return f"listeners: [{{bind: 127.0.0.1:1}}]\nroutes:\n{text}"


def test_every_field_of_the_model_can_be_set() -> None:
    settings, decoder = decode(EVERYTHING)
    assert decoder.problems == []
    assert settings == Settings(
        listeners=(Listener(bind=TcpAddress("::1", 0)), Listener(bind=UnixAddress("/l"))),
        routes=(
            Route(
                name="a",
                match=Match(host=("a.example",), path=PathPattern(PathKind.PREFIX, "/a/"), subprotocol=("v1",)),
                timeouts=Timeouts(handshake=7.0, connect=1.0, close=8.0),
                limits=RouteLimits(message=None),
                action=Relay(to=(WebSocketUrl(TcpAddress("a", 1), "/x"),), validate_text=False),
            ),
            Route(
                name="b",
                match=Match(
                    host=("b.example", "*.b.example"), path=PathPattern(PathKind.REGEX, "/b"), subprotocol=("v1", "v2")
                ),
                timeouts=Timeouts(handshake=7.0, connect=5.0, close=8.0),
                limits=RouteLimits(message=1024),
                action=Tunnel(
                    to=(TcpAddress("b", 1), UnixAddress("/b")), subprotocols=("mqtt",), text=TextFrames.ACCEPT
                ),
            ),
            Route(
                name="c",
                match=Match(),
                timeouts=Timeouts(handshake=2.0, connect=3.0, close=4.0),
                limits=RouteLimits(message=1024),
                action=Files(root="/etc/wsgate/d"),
            ),
        ),
        defaults=Defaults(
            timeouts=Timeouts(handshake=7.0, connect=5.0, close=8.0),
            limits=RouteLimits(message=1024),
        ),
        drain=Drain(grace=0.0, code=1012),
        log=Log(format=LogFormat.TEXT, level=LogLevel.ERROR),
    )


def test_what_is_left_out_has_the_models_defaults() -> None:
    settings, decoder = decode(routes("  - {name: a, relay: {to: ws://x}}"))
    assert decoder.problems == []
    assert settings == Settings(
        listeners=(Listener(bind=TcpAddress("127.0.0.1", 1)),), routes=(Route(name="a", action=RELAY),)
    )


def test_defaults_may_be_given_in_part() -> None:
    settings, _ = decode(routes("  - {name: a, relay: {to: ws://x}}\ndefaults: {timeouts: {connect: 1s}}"))
    assert settings.defaults == Defaults(timeouts=Timeouts(connect=1.0))
    assert settings.routes[0].timeouts == Timeouts(connect=1.0)
    assert settings.routes[0].limits == RouteLimits()


def test_an_absolute_directory_stays() -> None:
    settings, _ = decode(routes("  - {name: a, files: {root: /srv}}"))
    assert settings.routes[0].action == Files(root="/srv")


def test_a_relative_directory_begins_at_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.chdir(tmp_path)
    settings, _ = decode(routes("  - {name: a, files: {root: site}}"), "conf/wsgate.yaml")
    assert settings.routes[0].action == Files(root=os.path.join(tmp_path, "conf", "site"))


def test_places_are_kept_beside_the_model() -> None:
    _, decoder = decode(EVERYTHING)
    assert decoder.places[""] == (2, 1)
    assert decoder.places["routes[0].relay.to"] == (9, 17)
    assert decoder.places["routes[1].tunnel.to[1]"] == (12, 30)
    assert decoder.places["listeners[1].bind"] == (22, 12)


def test_a_fault_leaves_a_broken_value_and_the_rest_intact() -> None:
    settings, decoder = decode(routes("  - {name: a, limits: {message: 1}, timeouts: 5s, relay: {to: ws://x}}"))
    (route,) = settings.routes
    assert isinstance(route.limits.message, Broken)
    assert isinstance(route.timeouts, Broken)
    assert (route.name, route.action) == ("a", RELAY)
    assert [problem.path for problem in decoder.problems] == ["routes[0].limits.message", "routes[0].timeouts"]


def test_broken_defaults_are_reported_once() -> None:
    text = "  - {name: a, relay: {to: ws://x}}\ndefaults: {timeouts: 5s, limits: {message: 1}}"
    assert faults(routes(text)) == [
        "f:4:22: defaults.timeouts: expected a mapping with the keys handshake, connect, close, found '5s'",
        "f:4:44: defaults.limits.message: 1 has no unit: write 1B, or use KiB, MiB or GiB",
    ]


def test_off_is_for_what_can_be_off() -> None:
    text = "  - {name: a, match: {path: off}, timeouts: {connect: off}, limits: {message: 'off'}, relay: {to: ws://x}}"
    assert faults(routes(text)) == [
        "f:3:29: routes[0].match.path: 'off' does not begin with / or ~: write '/off'",
        "f:3:55: routes[0].timeouts.connect: cannot be off: expected a duration like 500ms, 20s, 5m or 1h",
    ]


def test_a_misspelt_required_key_is_one_fault() -> None:
    assert faults(routes("  - {nane: a, relay: {to: ws://x}}")) == [
        "f:3:6: routes[0]: unknown key 'nane'; did you mean 'name'?"
    ]


def test_a_misspelt_action_is_one_fault() -> None:
    assert faults(routes("  - {name: a, relai: {to: ws://x}}")) == [
        "f:3:15: routes[0]: unknown key 'relai'; did you mean 'relay'?"
    ]


def test_a_misspelt_second_action_does_not_hide_the_first() -> None:
    settings, decoder = decode(routes("  - {name: a, relay: {to: ws://x}, tunel: {to: tcp://x:1}}"), "f")
    assert settings.routes[0].action == RELAY
    assert [str(p) for p in decoder.problems] == ["f:3:36: routes[0]: unknown key 'tunel'; did you mean 'tunnel'?"]


def test_an_empty_document_says_what_is_needed() -> None:
    assert faults("") == ["f:1:1: the file is empty: it needs listeners and routes"]
