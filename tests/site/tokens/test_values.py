"""Texts and values that name targets."""

from __future__ import annotations

from typing import Any

import pytest

from wsgate.settings.model import Target, TcpAddress, UnixAddress
from wsgate.site.tokens.values import MAX_TARGETS, client_target, from_object, targets


def tcp(host: str, port: int, *, tls: bool = False) -> Target:
    return Target(TcpAddress(host, port), tls)


def unix(path: str) -> Target:
    return Target(UnixAddress(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.9:5900", tcp("10.0.0.9", 5900)),
        (" Desk-1.Example:5900\n", tcp("desk-1.example", 5900)),
        ("my_service.:1", tcp("my_service.", 1)),
        ("[2001:DB8::0:1]:5901", tcp("2001:db8::1", 5901)),
        ("::1:5902", tcp("::1", 5902)),
        ("tcp://a:65535", tcp("a", 65535)),
        ("tls://a:5900", tcp("a", 5900, tls=True)),
        ("tls://[::1]:5900", tcp("::1", 5900, tls=True)),
        ("unix:/run/vnc/1", unix("/run/vnc/1")),
        ("unix_socket:/run/vnc:1/x", unix("/run/vnc:1/x")),
        ('{"host": "a", "port": 5900}', tcp("a", 5900)),
        ('{"host": "::1", "port": "5900"}', tcp("::1", 5900)),
        ('{"host": "a:5900"}', tcp("a", 5900)),
        ('{"host": "tls://a:5900", "port": null}', tcp("a", 5900, tls=True)),
        ('{"unix_socket": "/run/x"}', unix("/run/x")),
        ('["a", 5900]', tcp("a", 5900)),
        ('"a:5900"', tcp("a", 5900)),
    ],
)
def test_one_target(text: str, expected: Target) -> None:
    assert targets(text, tls=False) == (expected,)


def test_without_a_scheme_the_default_holds() -> None:
    assert targets("a:1", tls=True) == (tcp("a", 1, tls=True),)
    assert targets("tcp://a:1", tls=True) == (tcp("a", 1),)
    assert targets("unix:/x", tls=True) == (unix("/x"),)
    assert targets('{"host": "a", "port": 1}', tls=True) == (tcp("a", 1, tls=True),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (("a", 1), (tcp("a", 1),)),
        (["a", "1"], (tcp("a", 1),)),
        (["unix_socket", "/x"], (unix("/x"),)),
        (["a:1", "b:2"], (tcp("a", 1), tcp("b", 2))),
        ([("a", 1), {"host": "b", "port": 2}, "c:3"], (tcp("a", 1), tcp("b", 2), tcp("c", 3))),
    ],
)
def test_values_of_python(value: Any, expected: tuple[Target, ...]) -> None:
    assert from_object(value, tls=False) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:٣",
        "host: 5900",
        ":5900",
        "a b:5900",
        "a/b:5900",
        "user@host:5900",
        "http://host:80",
        "ws://host:80",
        "[::1]",
        "[10.0.0.1]:5900",
        "fe80::1%eth0:5900",
        "[fe80::1%25eth0]:5900",
        "127.1:5900",
        "0x7f.1:5900",
        "0x7f000001:5900",
        "2130706433:5900",
        "2130706433.:5900",
        "10.0.0.256:5900",
        "bücher.example:5900",
        "-a:5900",
        f"{'a' * 64}:5900",
        ".".join(["a" * 60] * 5) + ":5900",
        "unix:relative",
        "unix_socket:",
        "unix:/directory/",
        f"unix:/{'x' * 107}",
        "{",
        "{}",
        "[]",
        "null",
        '{"host": "a"}',
        '{"host": 5, "port": 5}',
        '{"host": "a", "port": true}',
        '{"host": "a", "port": 1.5}',
        '{"host": "a:1", "port": 5}',
        '{"port": 5900}',
        '[["a", ["b", 1]]]',
        "[" * 60_000,
        '["a:1", 7, "b:1"]',
    ],
)
def test_what_is_no_target_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        targets(text, tls=False)
    said = str(caught.value)
    assert said
    assert len(text) < 6 or text not in said
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", [5, b"a:1", object(), {"a": 1}, (), ("a",), [f"a:{n + 1}" for n in range(17)]])
def test_values_that_are_no_targets(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_object(value, tls=False)


def test_a_list_is_bounded() -> None:
    assert len(from_object(["a:1"] * MAX_TARGETS, tls=False)) == MAX_TARGETS
    with pytest.raises(ValueError, match=f"list of {MAX_TARGETS + 1} targets"):
        from_object(["a:1"] * (MAX_TARGETS + 1), tls=False)


def test_a_client_names_no_unix_socket() -> None:
    assert client_target("a:5900", tls=True) == tcp("a", 5900, tls=True)
    assert client_target("[::1]:5900", tls=False) == tcp("::1", 5900)
    for text in ("unix:/run/x", "unix_socket:/run/x", '{"host": "a", "port": 1}', "unix_socket:/run/x:5"):
        with pytest.raises(ValueError, match=r"host|port"):
            client_target(text, tls=False)
