from __future__ import annotations

import pytest

from wsgate.text.alt_name import EXPECTED, alt_name_matcher, alt_name_pattern
from wsgate.text.error import TextError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dns:Worker.Example.com", "dns:worker.example.com"),
        ("dns:*.Example.com", "dns:*.example.com"),
        ("uri:spiffe://Example.com/Worker", "uri:spiffe://Example.com/Worker"),
        ("uri:spiffe://example.com/*", "uri:spiffe://example.com/*"),
        ("uri:urn:a:b", "uri:urn:a:b"),
        ("email:Ann@Example.com", "email:Ann@example.com"),
        ("email:*@example.com", "email:*@example.com"),
        ("ip:10.0.0.7", "ip:10.0.0.7/32"),
        ("ip:2001:DB8::/32", "ip:2001:db8::/32"),
    ],
)
def test_patterns(text: str, expected: str) -> None:
    assert alt_name_pattern(text) == expected
    assert alt_name_pattern(expected) == expected


URI_CURE = (
    "is no URI, or would match other hosts: write uri:spiffe://example.com/worker, or a * behind a slash of its path"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.example", f"'a.example' is no name in a certificate: write {EXPECTED}"),
        ("DNS:a", f"'DNS:a' is no name in a certificate: write {EXPECTED}"),
        ("dns:*", "'*' is not a host name"),
        ("dns:a.*.example", "'a.*.example' is not a host name"),
        ("dns:", "the host is missing"),
        *((text, f"{text!r} {URI_CURE}") for text in ("uri:x", "uri:spiffe://a*", "uri:spiffe:*", "uri:spiffe://a/b*")),
        *((text, f"{text!r} {URI_CURE}") for text in ("uri:spiffe://*/a", "uri:a://b c")),
        ("email:ann", "'email:ann' is no address: write email:ann@example.com or email:*@example.com"),
        ("email:a*@b", "'email:a*@b' is no address: write email:ann@example.com or email:*@example.com"),
        ("email:a@*.b", "'email:a@*.b' is no address: write email:ann@example.com or email:*@example.com"),
        ("ip:10.0.0.1/8", "'ip:10.0.0.1/8' is no address or network: write ip:10.0.0.7 or ip:10.0.0.0/8"),
    ],
)
def test_other_texts(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        alt_name_pattern(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("pattern", "taken", "others"),
    [
        ("dns:a.example", ["dns:a.example", "dns:A.EXAMPLE"], ["dns:b.a.example", "uri:a.example", "dns:*.example"]),
        ("dns:*.example", ["dns:a.example", "dns:b.a.Example"], ["dns:example", "dns:.example", "dns:anexample"]),
        (
            "uri:spiffe://a/w/7",
            ["uri:spiffe://a/w/7"],
            ["uri:spiffe://a/w/70", "uri:spiffe://A/w/7", "dns:spiffe://a/w/7"],
        ),
        (
            "uri:spiffe://a/w/*",
            ["uri:spiffe://a/w/7", "uri:spiffe://a/w/7/b"],
            ["uri:spiffe://a/w/", "uri:spiffe://a/x"],
        ),
        ("email:Ann@example", ["email:Ann@Example"], ["email:ann@example", "email:Ann@b.example", "email:Ann"]),
        ("email:*@example", ["email:ann@example"], ["email:ann@b.example", "email:example", "email:x@y@b"]),
        ("ip:10.0.0.0/8", ["ip:10.1.2.3"], ["ip:11.1.2.3", "ip:2001:db8::1", "dns:10.1.2.3", "ip:x"]),
        ("ip:2001:db8::/32", ["ip:2001:DB8:0:0:0:0:0:1"], ["ip:2001:db9::1", "ip:10.1.2.3"]),
    ],
)
def test_what_a_pattern_takes(pattern: str, taken: list[str], others: list[str]) -> None:
    matches = alt_name_matcher(alt_name_pattern(pattern))
    for names, expected in ((taken, True), (others, False)):
        for name in names:
            kind, _, value = name.partition(":")
            assert matches(kind, value) is expected, name
