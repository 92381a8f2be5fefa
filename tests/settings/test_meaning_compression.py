from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.load import ConfigError, loads
from wsgate.settings.model import Compression, CompressionContext, CompressionMode

ROUTE = "routes[0].compression"


def load(compression: str, action: str = "relay: {to: 'ws://h:1'}", defaults: str = "") -> Any:
    """The compression of the route. ``defaults``: that of all routes."""
    settings = loads(
        "listeners: [{bind: '127.0.0.1:80'}]\n"
        + (f"defaults: {{compression: {defaults}}}\n" if defaults else "")
        + "routes:\n  - name: chat\n"
        + (f"    compression: {compression}\n" if compression else "")
        + f"    {action}\n",
        "f.yaml",
    )
    return settings.routes[0].compression


def faults(*args: str, **more: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **more)
    return [(problem.path, problem.message) for problem in caught.value.problems]


PASS = Compression(mode=CompressionMode.PASS)
ON_CLIENT = Compression(client=True)


@pytest.mark.parametrize(
    ("written", "defaults", "compression"),
    [
        ("", "", Compression()),
        ("pass", "", PASS),
        ("off", "", None),
        ("{inspect: false}", "", Compression(inspect=False)),
        ("{client: on}", "", ON_CLIENT),
        ("{client: on, backend: off}", "", Compression(client=True, backend=False)),
        ("{client: true, backend: on}", "", Compression(client=True, backend=True)),
        ("{backend: on, window: 4KiB, level: 9}", "", Compression(backend=True, window=4096, level=9)),
        (
            "{client: on, context: session, threshold: 1KiB, no_compress: [binary, mqtt]}",
            "",
            Compression(
                client=True, context=CompressionContext.SESSION, threshold=1024, no_compress=("binary", "mqtt")
            ),
        ),
        # What a route writes replaces all that defaults say
        ("", "{client: on}", ON_CLIENT),
        ("", "off", None),
        ("pass", "{client: on}", PASS),
        ("{client: on}", "pass", ON_CLIENT),
        ("{backend: on}", "{client: on, level: 9}", Compression(backend=True)),
        ("pass", "off", PASS),
    ],
)
def test_what_may_be_written(written: str, defaults: str, compression: Compression | None) -> None:
    assert load(written, defaults=defaults) == compression


@pytest.mark.parametrize(
    ("compression", "is_own"),
    [(Compression(), False), (PASS, False), (ON_CLIENT, True), (Compression(backend=True), True)],
)
def test_whose_compression_it_is(compression: Compression, is_own: bool) -> None:
    assert compression.is_own is is_own


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        (
            "{mode: pass, client: on}",
            f"{ROUTE}.mode",
            "with pass the gateway does not compress: remove it, or client and backend",
        ),
        (
            "{client: on, inspect: false}",
            f"{ROUTE}.inspect",
            "what the gateway inflates itself is always checked: remove it",
        ),
        ("{client: off}", ROUTE, "the gateway compresses on neither side: write compression: off for this"),
        (
            "{level: 3}",
            f"{ROUTE}.level",
            "it is for the gateway's own compression: write client: on or backend: on, too",
        ),
        ("on", ROUTE, "expected pass, found 'on'"),
    ],
)
def test_what_does_not_fit_together(written: str, path: str, message: str) -> None:
    assert faults(written) == [(path, message)]


def test_defaults_are_checked_too() -> None:
    assert [path for path, _ in faults("", defaults="{level: 3}")] == ["defaults.compression.level"]


def test_only_a_relay_compresses() -> None:
    tunnel = "tunnel: {to: 'tcp://h:1'}"
    assert faults("{client: on}", tunnel) == [(ROUTE, "only a relay has compressed messages: remove it")]
    assert load("off", tunnel) is None
    assert load("", tunnel, "{client: on}") == ON_CLIENT  # of no use there, and no harm
