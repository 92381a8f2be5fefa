"""Each flag and the YAML that it stands for, letter by letter; and that the gateway takes every one of them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from wsgate.commands.line import UsageError
from wsgate.commands.relay_flags import parse
from wsgate.commands.relay_yaml import to_yaml
from wsgate.settings.load import loads

HEAD = "# What a `wsgate relay` command line stands for. Run it with: wsgate serve FILE"
TO = "      to: ws://a\n"
LISTENER = "  - bind: 0.0.0.0:8080\n"


def whole(listener: str = LISTENER, *, more: str = "", route: str = "    origins: same-host\n", relay: str = TO) -> str:
    log = "" if "log:" in more else "log: {format: text}\n"
    return f"{HEAD}\nlisteners:\n{listener}{more}{log}routes:\n  - name: relay\n{route}    relay:\n{relay}"


BOTH = "      to:\n        - ws://a\n        - ws://b\n"
SAME = "    origins: same-host\n"
TLS = "      tls: {{{}}}\n"

CASES = [
    # where it listens
    ("8080 ws://a", whole()),
    (":8080 ws://a", whole()),
    ("127.0.0.1:8080 ws://a", whole("  - bind: 127.0.0.1:8080\n")),
    ("app.test:8080 ws://a", whole("  - bind: app.test:8080\n")),
    ("[::]:8080 ws://a", whole("  - bind: '[::]:8080'\n")),
    ("unix:gate.sock ws://a", whole("  - bind: unix:HERE/gate.sock\n")),
    ("8080 ws://a --cert c", whole(LISTENER + "    tls: {certificate: HERE/c}\n")),
    (
        "8080 ws://a --cert c --key k --key-password-file p",
        whole(LISTENER + "    tls: {certificate: HERE/c, key: HERE/k, password_file: HERE/p}\n"),
    ),
    # where it leads
    ("8080 ws://a ws://b", whole(relay=BOTH)),
    ("8080 unix:/run/app.sock:/base", whole(relay="      to: unix:/run/app.sock:/base\n")),
    ("8080 unix:app.sock", whole(relay="      to: unix:HERE/app.sock\n")),
    ("8080 unix:app.sock:/base", whole(relay="      to: unix:HERE/app.sock:/base\n")),
    ("8080 ws://a ws://b --balance random", whole(relay=BOTH + "      balance: random\n")),
    ("8080 ws://a ws://b --hash address", whole(relay=BOTH + "      balance: {hash: address}\n")),
    ("8080 ws://a ws://b --hash query:x", whole(relay=BOTH + "      balance:\n        hash: query:x\n")),
    ("8080 ws://a --host keep", whole(relay=TO + "      host: keep\n")),
    ("8080 wss://a --ca c", whole(relay="      to: wss://a\n" + TLS.format("ca: HERE/c"))),
    ("8080 wss://a --server-name n", whole(relay="      to: wss://a\n" + TLS.format("server_name: n"))),
    ("8080 wss://a --insecure", whole(relay="      to: wss://a\n" + TLS.format("verify: false"))),
    # the route
    ("8080 ws://a --origins any", whole(route="    origins: any\n")),
    ("8080 ws://a --origins null,file://", whole(route="    origins:\n      - 'null'\n      - file://\n")),
    ("8080 ws://a --path /x/*", whole(route="    match: {path: /x/*}\n" + SAME)),
    ("8080 ws://a --heartbeat off", whole(route=SAME + "    heartbeat: off\n")),
    ("8080 ws://a --heartbeat 5s", whole(route=SAME + "    heartbeat: {interval: 5s}\n")),
    ("8080 ws://a --idle off", whole(route=SAME + "    timeouts: {idle: off}\n")),
    ("8080 ws://a --idle 5m", whole(route=SAME + "    timeouts: {idle: 5m}\n")),
    ("8080 ws://a --message-size 1MiB", whole(route=SAME + "    limits: {message: 1MiB}\n")),
    (
        "8080 ws://a --web .",
        whole(route="    match: {websocket: true}\n" + SAME) + "  - name: web\n    files: {root: HERE}\n",
    ),
    # the process
    ("8080 ws://a --workers 2", whole(more="workers: 2\n")),
    ("8080 ws://a --workers auto", whole(more="workers: auto\n")),
    ("8080 ws://a --trusted-proxies 10.0.0.0/8,unix", whole(more="trusted_proxies: [10.0.0.0/8, unix]\n")),
    ("8080 ws://a --sessions-per-address 1000", whole(more="limits: {sessions_per_address: 1000}\n")),
    ("8080 ws://a --sessions-per-address off", whole(more="limits: {sessions_per_address: off}\n")),
    ("8080 ws://a -v", whole(more="log: {format: text, level: debug}\n")),
    ("8080 ws://a --log-file l", whole().replace("FILE\n", "FILE 2>>HERE/l\n", 1)),
]


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_a_line_stands_for_a_file(line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = to_yaml(parse(shlex.split(line)))
    assert text == expected.replace("HERE", str(tmp_path))
    assert loads(text, "x.yaml").routes[0].name == "relay"


@pytest.mark.parametrize(
    ("listen", "cure"),
    [
        ("app", "app:8080"),
        ("[::1]", "[::1]:8080"),
        ("app:http", "8080 or 127.0.0.1:8080"),
        ("app:", "8080 or 127.0.0.1:8080"),
    ],
)
def test_an_address_without_a_port(listen: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        to_yaml(parse([listen, "ws://a"]))
    assert str(caught.value) == f"[HOST:]PORT: {listen!r} has no port: write {cure}, say"
