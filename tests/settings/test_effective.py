"""The configuration that is in effect, as operators are shown it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsgate.settings.effective import effective, show
from wsgate.settings.load import read, reads
from wsgate.settings.secrets import MASK

PROJECT = Path(__file__).parents[2]
SECRET = "S3cr3tS3cr3t"

TEXT = """
listeners:
  - bind: ${BIND}
routes:
  - name: app
    match: {path: /app/*, query: {key: SECRET, v: "2"}, header: {X-Api-Key: SECRET}}
    auth: {basic: {users: ["ann:{PLAIN}SECRET", "bob:${HASH}"]}}
    headers:
      to_backend: {set: {Authorization: Bearer SECRET, X-Other: "${OTHER:-x} {user}"}, add: {Cookie: a=SECRET}}
      to_client: {add: {Set-Cookie: a=SECRET, Vary: Origin}}
    relay: {to: "${BACKEND}", balance: random}
  - name: desktops
    match: {path: /desktops}
    tunnel:
      token: {from: "query:token", python: {call: "json:loads", source: "redis://:SECRET@h/1"}}
  - name: vault
    match: {path: /vault}
    tunnel:
      token: {from: "query:token", url: "http://127.0.0.1:1/{token}?who=SECRET"}
  - name: rest
    redirect: https://example.com{path}?access_token=SECRET&a=1
""".replace("SECRET", SECRET)

ENVIRONMENT = {"BIND": "127.0.0.1:8080", "HASH": f"{{PLAIN}}{SECRET}", "OTHER": SECRET, "BACKEND": f"ws://{SECRET}:1"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    draft = reads(TEXT, "wsgate.yaml")
    assert draft.problems == []
    return effective(draft.finish())


def test_no_secret_is_shown(shown: Any) -> None:
    assert SECRET.lower() not in json.dumps(shown).lower()


def test_what_is_shown_instead(shown: Any) -> None:
    assert shown["listeners"][0]["bind"] == "${BIND}"
    app, desktops, vault, rest = shown["routes"]
    assert app["match"] == {"path": "/app/*", "header": {"x-api-key": MASK}, "query": {"key": MASK, "v": "2"}}
    assert app["auth"]["basic"]["users"] == [f"ann:{MASK}", f"bob:{MASK}"]
    assert app["headers"] == {
        "to_backend": {"set": {"Authorization": MASK, "X-Other": "${OTHER:-x} {user}"}, "add": {"Cookie": MASK}},
        "to_client": {"add": {"Set-Cookie": MASK, "Vary": "Origin"}},
    }
    assert app["relay"]["to"] == ["${BACKEND}"]
    assert desktops["tunnel"]["token"]["python"] == {"call": "json:loads", "source": MASK}
    assert vault["tunnel"]["token"]["url"] == f"http://127.0.0.1:1/{{token}}?who={MASK}"
    assert rest["redirect"]["to"] == f"https://example.com{{path}}?access_token={MASK}&a=1"


def test_defaults_are_shown(shown: Any) -> None:
    assert (shown["workers"], shown["admin"], shown["drain"]["spread"]) == (1, "off", "20s")
    app = shown["routes"][0]
    assert (app["on_reload"], app["timeouts"]["handshake"], app["http"]) == ("keep", "10s", "reject")
    assert app["relay"]["balance"] == {"policy": "random"}
    assert "to_file" not in app["relay"]
    assert "from_environment" not in shown


def test_it_goes_in_steps() -> None:
    """Others have their turn after each route: there may be thousands."""
    settings = read(str(PROJECT / "config/full.yaml")).settings
    shown: dict[str, Any] = {}
    assert sum(1 for _ in show(settings, shown)) == len(settings.listeners) + len(settings.routes) + 1
    assert shown == effective(settings)


def test_the_whole_example_can_be_shown() -> None:
    draft = read(str(PROJECT / "config/full.yaml"))
    shown = effective(draft.settings)
    json.dumps(shown)
    assert [route["name"] for route in shown["routes"]] == [route.name for route in draft.settings.routes]
