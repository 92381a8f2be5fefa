import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate.settings import access, model
from wsgate.settings.model import EntryPoint, Place, PlaceKind, TargetRule, TcpAddress, TokenUrl, UnixAddress
from wsgate.settings.scalars import SCALARS
from wsgate.text.error import TextError

V4 = ipaddress.ip_network("10.0.0.0/8")
V6 = ipaddress.ip_network("fd00::/8")
ONE_V4, ONE_V6 = ipaddress.ip_network("10.0.0.1/32"), ipaddress.ip_network("fd00::1/128")

# type, text in the file, value in the model, the same value as the shortest text
GOOD: list[tuple[Any, str, object, str]] = [
    (Place, "query:token", Place(PlaceKind.QUERY, "token"), "query:token"),
    (Place, "query:Token[1]", Place(PlaceKind.QUERY, "Token[1]"), "query:Token[1]"),
    (Place, "header:X-Token", Place(PlaceKind.HEADER, "x-token"), "header:x-token"),
    (Place, "cookie:Desk", Place(PlaceKind.COOKIE, "Desk"), "cookie:Desk"),
    (Place, "host", Place(PlaceKind.HOST), "host"),
    (Place, "path", Place(PlaceKind.PATH), "path"),
    (TargetRule, "*", TargetRule(None), "*"),
    (TargetRule, "*:5900", TargetRule(None, 5900, 5900), "*:5900"),
    (TargetRule, "*:1-65535", TargetRule(None), "*"),
    (TargetRule, "10.0.0.0/8", TargetRule(V4), "10.0.0.0/8"),
    (TargetRule, "10.0.0.0/8:5900", TargetRule(V4, 5900, 5900), "10.0.0.0/8:5900"),
    (TargetRule, "10.0.0.0/8:5900-5999", TargetRule(V4, 5900, 5999), "10.0.0.0/8:5900-5999"),
    (TargetRule, "10.0.0.1", TargetRule(ONE_V4), "10.0.0.1"),
    (TargetRule, "10.0.0.1/32:22", TargetRule(ONE_V4, 22, 22), "10.0.0.1:22"),
    (TargetRule, "fd00::/8", TargetRule(V6), "fd00::/8"),
    (TargetRule, "[fd00::/8]", TargetRule(V6), "fd00::/8"),
    (TargetRule, "[fd00::/8]:5900-5999", TargetRule(V6, 5900, 5999), "[fd00::/8]:5900-5999"),
    (TargetRule, "FD00:0::1", TargetRule(ONE_V6), "fd00::1"),
    (TargetRule, "[fd00::1]:1-22", TargetRule(ONE_V6, 1, 22), "[fd00::1]:1-22"),
    (TargetRule, "0.0.0.0/0", TargetRule(ipaddress.ip_network("0.0.0.0/0")), "0.0.0.0/0"),
    (TargetRule, "DB.example.com", TargetRule("db.example.com"), "db.example.com"),
    (TargetRule, "*.example.com:22", TargetRule("*.example.com", 22, 22), "*.example.com:22"),
    (TargetRule, "unix:/run/vnc/", TargetRule(UnixAddress("/run/vnc/")), "unix:/run/vnc/"),
    (TargetRule, "unix:/run/a.sock", TargetRule(UnixAddress("/run/a.sock")), "unix:/run/a.sock"),
    (TargetRule, "unix:/", TargetRule(UnixAddress("/")), "unix:/"),
    (EntryPoint, "desks:lookup", EntryPoint("desks", "lookup"), "desks:lookup"),
    (EntryPoint, "_a.b2:C.d_", EntryPoint("_a.b2", "C.d_"), "_a.b2:C.d_"),
    (
        TokenUrl,
        "http://127.0.0.1/{token}",
        TokenUrl(False, TcpAddress("127.0.0.1", 80), "/{token}"),
        "http://127.0.0.1:80/{token}",
    ),
    (
        TokenUrl,
        "https://[::1]/a/{token}.json?x=%20&y",
        TokenUrl(True, TcpAddress("::1", 443), "/a/{token}.json?x=%20&y"),
        "https://[::1]:443/a/{token}.json?x=%20&y",
    ),
    (
        TokenUrl,
        "http://A.test:8000?token={token}",
        TokenUrl(False, TcpAddress("a.test", 8000), "/?token={token}"),
        "http://a.test:8000/?token={token}",
    ),
    (model.ServiceAddress, "redis:6379", TcpAddress("redis", 6379), "redis:6379"),
    (model.ServiceAddress, "[::1]:6379", TcpAddress("::1", 6379), "[::1]:6379"),
    (model.ServiceAddress, "unix:/run/redis.sock", UnixAddress("/run/redis.sock"), "unix:/run/redis.sock"),
    (model.WebOrigin, "null", "null", "null"),
    (model.WebOrigin, "HTTPS://App.Example", "https://app.example", "https://app.example"),
    (model.WebOrigin, "https://app.example:443", "https://app.example", "https://app.example"),
    (model.WebOrigin, "http://app.example:80", "http://app.example", "http://app.example"),
    (model.WebOrigin, "http://app.example:443", "http://app.example:443", "http://app.example:443"),
    (model.WebOrigin, "http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080"),
    (model.WebOrigin, "app+x://host", "app+x://host", "app+x://host"),
    *(
        (model.WebOrigin, text, text.lower(), text.lower())
        for text in (
            *("file://", "app://-", "capacitor://localhost", "ionic://localhost", "tauri://localhost"),
            *("chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai", "moz-extension://0b6e-4f1", "FILE://"),
            *("vscode-webview://0a1b_2c", "vscode-file://vscode-app", "obsidian://a:b@c", "same-host", "any"),
        )
    ),
    (model.Credential, "ann:$2y$05$abc", "ann:$2y$05$abc", "ann:$2y$05$abc"),
    (model.Credential, "ann b:{PLAIN}a:b é", "ann b:{PLAIN}a:b é", "ann b:{PLAIN}a:b é"),
    (model.HeaderValue, "public, max-age=60", "public, max-age=60", "public, max-age=60"),
    (model.HeaderValue, "é", "é", "é"),
]

PLACES = "write query:NAME, header:NAME, cookie:NAME, host or path"
NO_HASH = "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password"
NO_VALUE = "is not the value of a header field: no line breaks, no blanks around it, ISO 8859-1 only"
ENCODE = "percent-encode what is not a letter, digit or one of -._~/?&="
NOT_A_NETWORK = "is not a network: write one like 10.0.0.0/8, an address, or unix"

# type, text in the file, message
BAD: list[tuple[Any, str, str]] = [
    (Place, "", f"'' is no place in a request: {PLACES}"),
    (Place, "token", f"'token' is no place in a request: {PLACES}"),
    (Place, "Query:token", f"'Query:token' is no place in a request: {PLACES}"),
    (Place, "host:", "'host:': host has no name: write host alone"),
    (Place, "path:a", "'path:a': path has no name: write path alone"),
    (Place, "query", "'query' has no parameter's name behind the colon: write query:token, for example"),
    (Place, "query:a&b", "'query:a&b' has no parameter's name behind the colon: write query:token, for example"),
    (Place, "cookie:a b", "'cookie:a b' has no cookie's name behind the colon: write cookie:token, for example"),
    (Place, "header:a:b", "'header:a:b' has no header's name behind the colon: write header:token, for example"),
    (TargetRule, "", "the host is missing"),
    (TargetRule, ":5900", "the host is missing"),
    (TargetRule, "10.0.0.1/8", "'10.0.0.1/8' has bits set behind its /8: write 10.0.0.0/8, or 10.0.0.1"),
    (TargetRule, "10.0.0.0/33", "'10.0.0.0/33': what is behind the slash is not a number of bits like /8"),
    (TargetRule, "10.0.0", f"'10.0.0' {NOT_A_NETWORK}"),
    (TargetRule, "a.example/8", f"'a.example/8' {NOT_A_NETWORK}"),
    (TargetRule, "*:", "'' is neither a port nor a range of ports: write 5900 or 5900-5999"),
    (TargetRule, "*:vnc", "'vnc' is neither a port nor a range of ports: write 5900 or 5900-5999"),
    (TargetRule, "*:1-", "'1-' is neither a port nor a range of ports: write 5900 or 5900-5999"),
    (TargetRule, "*:0", "'0' is not a port: a port is a number from 1 to 65535"),
    (TargetRule, "*:1-65536", "'65536' is not a port: a port is a number from 1 to 65535"),
    (TargetRule, "*:2-1", "'2-1' has its ports the wrong way round: write 1-2"),
    (TargetRule, "a.*:1", "'a.*': * stands for the first labels only, like '*.example.com'"),
    (TargetRule, "tcp://a:1", "'tcp://a:1' has a scheme: leave it out, write 10.0.0.0/8:5900 or *.example.com:22"),
    (TargetRule, "[10.0.0.1]:1", "'[10.0.0.1]:1' is not an IPv6 network with ports: write '[fd00::/8]:5900'"),
    (TargetRule, "[fd00::/8]5900", "'[fd00::/8]5900' is not an IPv6 network with ports: write '[fd00::/8]:5900'"),
    (
        TargetRule,
        "::ffff:10.0.0.0/104",
        "'::ffff:10.0.0.0/104' is IPv4 in IPv6's clothes, which no client has here: write it as IPv4",
    ),
    (TargetRule, "unix", "'unix' is not unix: and an absolute path: write unix:/run/vnc/"),
    (TargetRule, "unix:run", "'unix:run' is not unix: and an absolute path: write unix:/run/vnc/"),
    (TargetRule, "unix:", "'unix:' is not unix: and an absolute path: write unix:/run/vnc/"),
    (TargetRule, "unix://run", "'unix://run' is not unix: and an absolute path: write unix:/run/vnc/"),
    (EntryPoint, "os.system", "'os.system' is no name of a Python object: write package.module:name"),
    (EntryPoint, "a:b:c", "'a:b:c' is no name of a Python object: write package.module:name"),
    (EntryPoint, ".a:b", "'.a:b' is no name of a Python object: write package.module:name"),
    (EntryPoint, "a.py:1", "'a.py:1' is no name of a Python object: write package.module:name"),
    (TokenUrl, "a/{token}", "'a/{token}' is no URL: write http://host:port/path/{token}, or https://"),
    (TokenUrl, "ftp://a/{token}", "'ftp://a/{token}' is no URL: write http://host:port/path/{token}, or https://"),
    (TokenUrl, "http:///{token}", "the host is missing"),
    (TokenUrl, "http://u:p@a/{token}", "this URL cannot hold a user or password: remove all up to '@'"),
    (
        TokenUrl,
        "http://a/{token}#b",
        "'http://a/{token}#b' has a fragment, which is never sent: remove it from '#' on",
    ),
    (TokenUrl, "http://a/%s", "'http://a/%s' has %s: write {token} in its place"),
    (
        TokenUrl,
        "http://{token}/",
        "'http://{token}/' does not say where the token goes: write {token} into its path or query",
    ),
    (
        TokenUrl,
        "http://a/{token}/é",
        "'http://a/{token}/é': percent-encode what is not a letter, digit or one of -._~/?&=",
    ),
    (
        TokenUrl,
        "http://a/{token} ",
        "'http://a/{token} ': percent-encode what is not a letter, digit or one of -._~/?&=",
    ),
    (TokenUrl, "http://a:0/{token}", "'0' is not a port: a port is a number from 1 to 65535"),
    (model.KeySet, "https://u:p@a/x", "this URL cannot hold a user or password: remove all up to '@'"),
    (model.KeySet, "ftp://a/x", "'ftp://a/x' is no URL: write http://host:port/path, or https://"),
    (model.KeySet, "https://a/#x", "'https://a/#x' has a fragment, which is never sent: remove it from '#' on"),
    (model.KeySet, "https://a/é", "'https://a/é': percent-encode what is not a letter, digit or one of -._~/?&="),
    (model.KeySet, "", "expected a file, found ''"),
    (model.ServiceAddress, "redis", "'redis' has no port: write redis:6379"),
    (model.ServiceAddress, "6379", "'6379' names no host: write 127.0.0.1:6379"),
    (model.ServiceAddress, ":6379", "':6379' names no host: write 127.0.0.1:6379"),
    (model.ServiceAddress, "redis:0", "'0' is not a port: a port is a number from 1 to 65535"),
    (
        model.ServiceAddress,
        "redis://a:6379",
        "'redis://a:6379' has a scheme: leave it out, write host:port or unix:/path",
    ),
    (
        model.ServiceAddress,
        "unix:a",
        "'unix:a' is not unix: and the absolute path of a socket: write unix:/a",
    ),
    (model.WebOrigin, "*", "'*': write any, which lets every page in"),
    *(
        (
            model.WebOrigin,
            text,
            f"'{text}': * stands for the first labels of a host and for nothing else: write one like "
            "https://*.example.com, or any to let every page in",
        )
        for text in (
            "*.example.com",
            "https://*",
            "http://localhost:*",
            "https://a.*.com",
            "app://*.a",
            "http://*.0.0.1",
        )
    ),
    (model.WebOrigin, "file", "'file' is not an origin: write file://"),
    (model.WebOrigin, "file:///", "'file:///' is more than an origin: write file://"),
    (model.WebOrigin, "app://a b", "'app://a b' is not an origin: write it as the browser sends it, like app://host"),
    (model.WebOrigin, "", "'' is not an origin: write https://app.example.com"),
    (model.WebOrigin, "app.example", "'app.example' is not an origin: write https://app.example"),
    (model.WebOrigin, "https://a/", "'https://a/' is more than an origin: write https://a"),
    (model.WebOrigin, "https://a/b?c", "'https://a/b?c' is more than an origin: write https://a"),
    (model.WebOrigin, "wss://a", "'wss://a': an origin is where the page comes from: write https://a"),
    (model.WebOrigin, "ws://a:80", "'ws://a:80': an origin is where the page comes from: write http://a:80"),
    (model.WebOrigin, "https://a:0", "'0' is not a port: a port is a number from 1 to 65535"),
    # never what is written, which may be a password
    (model.Credential, "secret", NO_HASH),
    (model.Credential, ":secret", NO_HASH),
    (model.Credential, "ann:", NO_HASH),
    (model.Credential, "ann:secret\n", "there is a control character in it: write user:hash in one line"),
    (model.HeaderValue, "", "the value is empty: write one, or remove the key"),
    (model.HeaderValue, " a", f"' a' {NO_VALUE}"),
    (model.HeaderValue, "a\r\nb: c", rf"'a\r\nb: c' {NO_VALUE}"),
    (model.HeaderValue, "a\0", rf"'a\x00' {NO_VALUE}"),
    (model.HeaderValue, "€", f"'€' {NO_VALUE}"),
]


@pytest.mark.parametrize(("hint", "text", "value", "shown"), GOOD)
def test_a_text_means_a_value(hint: Any, text: str, value: object, shown: str) -> None:
    kind = SCALARS[hint]
    assert kind.parse(text) == value
    assert kind.show(value) == shown
    assert kind.parse(shown) == value


@pytest.mark.parametrize(("hint", "text", "message"), BAD)
def test_any_other_text_is_an_error_with_a_cure(hint: Any, text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        SCALARS[hint].parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["X-Frame-Options", "x_y", "Content-Security-Policy", "Server"])
def test_a_field_may_have_any_name_but_the_gateways_own(name: str) -> None:
    assert access.header_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' is not the name of a header field: use letters, digits and '-'"),
        ("X Y", "'X Y' is not the name of a header field: use letters, digits and '-'"),
        ("X:", "'X:' is not the name of a header field: use letters, digits and '-'"),
        ("X\n", r"'X\n' is not the name of a header field: use letters, digits and '-'"),
        ("Ünicode", "'Ünicode' is not the name of a header field: use letters, digits and '-'"),
        ("Content-Length", "Content-Length is written by the gateway itself: remove it"),
        ("transfer-encoding", "transfer-encoding is written by the gateway itself: remove it"),
        ("CACHE-CONTROL", "CACHE-CONTROL is written by the gateway itself: use cache_control"),
    ],
)
def test_another_name_of_a_field_is_an_error(name: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        access.header_name(name)
    assert str(caught.value) == message


NETWORKS = st.ip_addresses(v=4).map(lambda ip: ipaddress.ip_network((ip, 24), strict=False)) | st.ip_addresses(v=6).map(
    lambda ip: ipaddress.ip_network((ip, 64), strict=False)
)
PORTS = st.lists(st.integers(1, 65535), min_size=2, max_size=2).map(sorted)


@given(what=NETWORKS | st.sampled_from(["a.example", "*.example", None, UnixAddress("/run/a b/")]), ports=PORTS)
def test_what_may_be_reached_survives_being_shown(what: Any, ports: list[int]) -> None:
    first, last = (1, 65535) if isinstance(what, UnixAddress) else ports
    mapped = isinstance(what, ipaddress.IPv6Network) and what.network_address.ipv4_mapped is not None
    rule = TargetRule(what, first, last)
    if not mapped:
        assert access.target_rule(access.show_target_rule(rule)) == rule
