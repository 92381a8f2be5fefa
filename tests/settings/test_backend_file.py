"""The files that orchestrators write for ``to_file``: what is in them, and what is wrong with them."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings.backend_file import MAX_BACKENDS, read_backends
from wsgate.settings.load import loads
from wsgate.settings.model import Relay, RelayBackend, TcpAddress, UnixAddress, WebSocketUrl
from wsgate.settings.problem import ConfigError

ONE = RelayBackend(url=WebSocketUrl(TcpAddress("10.0.0.7", 9000), None))


def read(text: str) -> tuple[RelayBackend, ...] | None:
    return read_backends(text.encode(), "f")


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_backends(text if isinstance(text, bytes) else text.encode(), "f")
    return list(map(str, caught.value.problems))


def test_a_backend_in_each_line() -> None:
    assert read(
        """\ufeff# written by a script

  ws://10.0.0.7:9000
ws://10.0.0.8:9000/base weight=2 sessions=500 backup  # the spare one
wss://app.example.com drain
unix:/run/app.sock:/chat drain=false\r
"""
    ) == (
        ONE,
        RelayBackend(
            url=WebSocketUrl(TcpAddress("10.0.0.8", 9000), "/base"),
            weight=2,
            sessions=500,
            backup=True,
        ),
        RelayBackend(url=WebSocketUrl(TcpAddress("app.example.com", 443), None, tls=True), drain=True),
        RelayBackend(url=WebSocketUrl(UnixAddress("/run/app.sock"), "/chat")),
    )


@pytest.mark.parametrize(
    "text",
    [
        "- ws://10.0.0.7:9000\n- {url: ws://10.0.0.8:9000, weight: 2}  # more\n",
        '[ws://10.0.0.7:9000, {url: "ws://10.0.0.8:9000", weight: 2}]',
        json.dumps(["ws://10.0.0.7:9000", {"url": "ws://10.0.0.8:9000", "weight": 2}], indent=1),
        "ws://10.0.0.7:9000\nws://10.0.0.8:9000 weight=2",
    ],
)
def test_the_forms_mean_the_same(text: str) -> None:
    assert read(text) == (ONE, RelayBackend(url=WebSocketUrl(TcpAddress("10.0.0.8", 9000), None), weight=2))


def test_a_list_is_what_may_stand_under_to() -> None:
    text = '["ws://h:1", {"url": "unix:/run/app.sock", "backup": true, "drain": true, "sessions": 7}]'
    (route,) = loads(f"{{listeners: [bind: '127.0.0.1:80'], routes: [{{name: a, relay: {{to: {text}}}}}]}}", "f").routes
    assert isinstance(route.action, Relay)
    assert read(text) == route.action.to


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing yet\n", "\ufeff"])
def test_nothing_is_told_from_none(text: str) -> None:
    assert read(text) is None
    assert read("# none\n[]\n") == ()


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "10.0.0.7")
    assert read("ws://${HOST}:9000") == (ONE,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.7:9000", "f:1:1: '10.0.0.7:9000' has no scheme: write ws://10.0.0.7:9000"),
        ("\nws://h weight=300", "f:2:8: expected a number from 1 to 256, found '300'"),
        ("ws://h drain=yes", "f:1:8: expected true or false, found 'yes': write true"),
        ("ws://h weigth=2", "f:1:8: unknown key 'weigth'; did you mean 'weight'?"),
        ("ws://h weight=1 weight=2", "f:1:17: duplicate key 'weight': line 1 has it already"),
        ("ws://h\nws://h drain", "f:2:1: ws://h:80 is there already, in line 1"),
        ("- ws://h\n- {weight: 2}", "f:2:3: the key 'url' is missing"),
        ("[ws://h", "f:2:1: not valid YAML: the [ at 1:1 has no end"),
        ("{to: [ws://h]}", "f:1:1: expected a list, found a mapping: write '- ' before each backend"),
        ("ws://h health=tcp", "f:1:8: unknown key 'health'; it belongs to relay, beside 'to'"),
        (b"ws://h\nws://\xff", "f:2:1: this line is not UTF-8"),
        ("ws://h:1\n" * (MAX_BACKENDS + 1), f"f:1:1: there are {MAX_BACKENDS + 1} backends: a file may have"),
    ],
)
def test_what_is_wrong_has_its_line_and_cure(text: str | bytes, expected: str) -> None:
    assert faults(text)[0].startswith(expected)


_WORDS = st.sampled_from(
    ["ws://h", "unix:/a", "weight=2", "drain", "#", "- ", "[", "]", "{", "}", '"', ", ", ": ", "\n", " "]
)


@given(st.one_of(st.binary(), st.text().map(str.encode), st.lists(_WORDS).map(lambda words: "".join(words).encode())))
def test_whatever_is_in_it_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        read_backends(data, "f")


def test_all_faults_are_told() -> None:
    assert len(faults("ws://a weight=0\nb\nws://c\nws://d sessions=none x=1")) == 4
