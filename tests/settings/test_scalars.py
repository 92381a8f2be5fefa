import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settings.scalars import assert_refused, schema_accepts
from wsgate.settings import model
from wsgate.settings.model import (
    SCHEMES_PORT,
    EntryPoint,
    LogTo,
    LogToKind,
    Network,
    PathKind,
    PathPattern,
    Place,
    PlaceKind,
    Target,
    TargetRule,
    TcpAddress,
    TokenUrl,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.settings.scalars import SCALARS
from wsgate.text.error import TextError

PLACES = "write query:NAME, header:NAME, cookie:NAME, host or path"
YEAR = 365 * 24 * 3600.0

# type, text in the file, value in the model, the same value as the shortest text
GOOD: list[tuple[Any, str, object, object]] = [
    (bool, "true", True, True),
    (bool, "false", False, False),
    # more of these are in test_log_to
    (model.LogTo, "stderr", model.LogTo(model.LogToKind.STDERR), "stderr"),
    (model.CookieName, "wsgate_chat", "wsgate_chat", "wsgate_chat"),
    (model.FieldName, "X-Total", "X-Total", "X-Total"),
    (model.Method, "PUT", "PUT", "PUT"),
    (model.Method, "M-SEARCH", "M-SEARCH", "M-SEARCH"),
    (model.RequestIdField, "X-Request-Id", "X-Request-Id", "X-Request-Id"),
    (model.BackendFieldName, "cookie", "cookie", "cookie"),
    (model.ClientFieldName, "server", "server", "server"),
    (model.UrlPath, "/healthz", "/healthz", "/healthz"),
    (model.Status, "200", 200, 200),
    (model.Status, "599", 599, 599),
    *((model.RedirectStatus, str(code), code, code) for code in (301, 302, 303, 307, 308)),
    # more of these are in test_fixed
    (model.RedirectTarget, "https://a.test{path}", "https://a.test{path}", "https://a.test{path}"),
    (model.RedirectTarget, "{path}/", "{path}/", "{path}/"),
    # more of these are in test_rewriting
    (model.PathPrefix, "/chat", "/chat", "/chat"),
    (model.StrippedPrefix, "/chat", "/chat", "/chat"),
    (model.NewPrefix, "/v2", "/v2", "/v2"),
    (model.RewriteTarget, "/rooms/{room}", "/rooms/{room}", "/rooms/{room}"),
    (model.BodyText, "a\nb\n", "a\nb\n", "a\nb\n"),
    (model.FileBelowRoot, "/index.html", "/index.html", "/index.html"),
    (model.FileBelowRoot, "/a/b.html", "/a/b.html", "/a/b.html"),
    (model.Weight, "1", 1, 1),
    (model.Weight, "256", 256, 256),
    (model.CompressionLevel, "1", 1, 1),
    (model.CompressionLevel, "9", 9, 9),
    (model.WindowSize, "512B", 512, "512B"),
    (model.WindowSize, "32KiB", 32768, "32KiB"),
    (model.Switch, "on", True, True),
    (model.Switch, "off", False, False),
    (model.Share, "50%", 50, "50%"),
    (model.Share, "100%", 100, "100%"),
    (model.HashKey, "address", model.HashKey(None), "address"),
    (model.HashKey, "query:room", model.HashKey(model.Place(model.PlaceKind.QUERY, "room")), "query:room"),
    (model.Duration, "0s", 0.0, "0s"),
    (model.Duration, "1ms", 0.001, "1ms"),
    (model.Duration, "500ms", 0.5, "500ms"),
    (model.Duration, "1000ms", 1.0, "1s"),
    (model.Duration, "1500ms", 1.5, "1500ms"),
    (model.Duration, "20s", 20.0, "20s"),
    (model.Duration, "020s", 20.0, "20s"),
    (model.Duration, "90s", 90.0, "90s"),
    (model.Duration, "5m", 300.0, "5m"),
    (model.Duration, "60m", 3600.0, "1h"),
    (model.Duration, "8760h", YEAR, "8760h"),
    (model.Timeout, "1ms", 0.001, "1ms"),
    (model.Timeout, "5s", 5.0, "5s"),
    (model.Timeout, "010m", 600.0, "10m"),
    (model.ByteRate, "1B", 1, "1B"),
    (model.ByteRate, "1024KiB", 1 << 20, "1MiB"),
    (model.MessageSize, "125B", 125, "125B"),
    (model.MessageSize, "1024B", 1024, "1KiB"),
    (model.MessageSize, "64KiB", 65536, "64KiB"),
    (model.MessageSize, "1MiB", 1 << 20, "1MiB"),
    (model.MessageSize, "1GiB", 1 << 30, "1GiB"),
    (model.MessageSize, "9223372036854775807B", (1 << 63) - 1, "9223372036854775807B"),
    (model.DrainCode, "1001", 1001, 1001),
    (model.DrainCode, "1012", 1012, 1012),
    (model.DrainCode, "3000", 3000, 3000),
    (model.DrainCode, "4999", 4999, 4999),
    (model.RouteName, "a.B_c-9", "a.B_c-9", "a.B_c-9"),
    (model.HostPattern, "*.Example.com", "*.example.com", "*.example.com"),
    (model.HostPattern, "[::1]", "::1", "::1"),
    *(
        (model.Subprotocol, name, name, name)
        for name in ("SPDY/3.1+portforward.k8s.io", "ogmios.v1:compact", "a b", "v1(2)", "é")
    ),
    (model.Subprotocol, "v1.chat+json", "v1.chat+json", "v1.chat+json"),
    (model.Subprotocol, "!#$%&'*+-.^_`|~", "!#$%&'*+-.^_`|~", "!#$%&'*+-.^_`|~"),
    (model.Directory, "site", "site", "site"),
    (model.BindAddress, "127.0.0.1:0", TcpAddress("127.0.0.1", 0), "127.0.0.1:0"),
    (model.BindAddress, "[::]:80", TcpAddress("::", 80), "[::]:80"),
    (model.BindAddress, "unix:/run/a b", UnixAddress("/run/a b"), "unix:/run/a b"),
    (model.BindAddress, "unix:/run/a:-1", UnixAddress("/run/a:-1"), "unix:/run/a:-1"),
    (model.BindAddress, "127.0.0.1", TcpAddress("127.0.0.1", SCHEMES_PORT), "127.0.0.1"),
    (model.BindAddress, "[::]", TcpAddress("::", SCHEMES_PORT), "[::]"),
    (model.FilePath, "tls/gate.pem", "tls/gate.pem", "tls/gate.pem"),
    (model.SecretFile, "tls/gate.key", "tls/gate.key", "tls/gate.key"),
    (model.FileMode, "0660", 0o660, "0660"),
    (model.FileMode, "777", 0o777, "0777"),
    (model.FileMode, "0007", 0o007, "0007"),
    (model.HostName, "App.Internal.", "app.internal", "app.internal"),
    (model.HostName, "[::1]", "::1", "::1"),
    (model.OriginField, "keep", "keep", "keep"),
    (model.OriginField, "remove", "remove", "remove"),
    (model.OriginField, "https://App.test:443", "https://app.test", "https://app.test"),
    (model.OriginField, "null", "null", "null"),
    (model.HostField, "keep", "keep", "keep"),
    (model.HostField, "backend", "backend", "backend"),
    (model.HostField, "App.Internal:8443", "app.internal:8443", "app.internal:8443"),
    (model.HostField, "[0::1]:80", "[::1]:80", "[::1]:80"),
    (model.HostField, "::1", "[::1]", "[::1]"),
    (model.Ciphers, "ECDHE+AES:!aNULL@SECLEVEL=2", "ECDHE+AES:!aNULL@SECLEVEL=2", "ECDHE+AES:!aNULL@SECLEVEL=2"),
    (model.Count, "1", 1, 1),
    (model.Count, "2147483647", 2147483647, 2147483647),
    (model.Workers, "auto", 0, "auto"),
    (model.Workers, "1", 1, 1),
    (model.Workers, "1024", 1024, 1024),
    (model.Network, "10.0.0.0/8", Network(ipaddress.ip_network("10.0.0.0/8")), "10.0.0.0/8"),
    (model.Network, "::1", Network(ipaddress.ip_network("::1/128")), "::1/128"),
    (model.Network, "unix:", Network(None), "unix"),
    (model.Target, "tcp://[::1]:80", Target(TcpAddress("::1", 80)), "tcp://[::1]:80"),
    (model.Target, "tls://x:80", Target(TcpAddress("x", 80), tls=True), "tls://x:80"),
    (model.Target, "unix:/run/a", Target(UnixAddress("/run/a")), "unix:/run/a"),
    (model.WebSocketUrl, "ws://x/a", WebSocketUrl(TcpAddress("x", 80), "/a"), "ws://x:80/a"),
    (model.WebSocketUrl, "wss://x/a", WebSocketUrl(TcpAddress("x", 443), "/a", tls=True), "wss://x:443/a"),
    (model.WebSocketUrl, "ws://[::1]:9", WebSocketUrl(TcpAddress("::1", 9), None), "ws://[::1]:9"),
    # more of these are in test_access.py
    (model.Place, "query:token", Place(PlaceKind.QUERY, "token"), "query:token"),
    (model.AltName, "dns:*.Example.com", "dns:*.example.com", "dns:*.example.com"),
    (
        model.CredentialPlace,
        "header:X-Api-Key",
        model.CredentialPlace(model.CredentialPlaceKind.HEADER, "x-api-key"),
        "header:x-api-key",
    ),
    (model.TargetRule, "*.example.com:22", TargetRule("*.example.com", 22, 22), "*.example.com:22"),
    (model.EntryPoint, "desks:lookup", EntryPoint("desks", "lookup"), "desks:lookup"),
    (model.TokenUrl, "https://x/{token}", TokenUrl(True, TcpAddress("x", 443), "/{token}"), "https://x:443/{token}"),
    (model.AnswerFieldName, "X-Auth-User", "X-Auth-User", "X-Auth-User"),
    (
        model.HttpUrl,
        "http://a:4180/b?c=d",
        model.HttpUrl(False, TcpAddress("a", 4180), "/b?c=d"),
        "http://a:4180/b?c=d",
    ),
    (model.KeySet, "keys.json", "keys.json", "keys.json"),
    (model.KeySet, "https://x", model.HttpUrl(True, TcpAddress("x", 443), "/"), "https://x:443/"),
    (model.LogTo, "syslog:udp://logs:514", LogTo(LogToKind.SYSLOG_UDP, host="logs", port=514), "syslog:udp://logs:514"),
    (model.CollectorUrl, "http://a:4318", "http://a:4318/v1/traces", "http://a:4318/v1/traces"),
    (model.RedisUrl, "redis://x", model.RedisUrl(False, (TcpAddress("x", 6379),)), "redis://x:6379/0"),
    (model.ServiceAddress, "redis:6379", TcpAddress("redis", 6379), "redis:6379"),
    (model.WebOrigin, "https://app.example:443", "https://app.example", "https://app.example"),
    (model.Credential, "ann:{PLAIN}a", "ann:{PLAIN}a", "ann:{PLAIN}a"),
    (model.HeaderValue, "no-cache", "no-cache", "no-cache"),
    (model.HeadSize, "1KiB", 1 << 10, "1KiB"),
    (model.HeadSize, "1024KiB", 1 << 20, "1MiB"),
    (model.Size, "1B", 1, "1B"),
    (model.Size, "1024MiB", 1 << 30, "1GiB"),
    (model.Size, "9223372036854775807B", (1 << 63) - 1, "9223372036854775807B"),
    (model.FileName, "vnc lite.html", "vnc lite.html", "vnc lite.html"),
    (model.FileOrDirectory, "tokens", "tokens", "tokens"),
    (model.Text, "Büro: 3", "Büro: 3", "Büro: 3"),
    (model.Database, "0", 0, 0),
    (model.Database, "15", 15, 15),
    (model.PathPattern, "/", PathPattern(PathKind.EXACT, "/"), "/"),
    (model.PathPattern, "/x", PathPattern(PathKind.EXACT, "/x"), "/x"),
    (model.PathPattern, "/x/", PathPattern(PathKind.EXACT, "/x/"), "/x/"),
    (model.PathPattern, "/x%20y", PathPattern(PathKind.EXACT, "/x%20y"), "/x%20y"),
    (model.PathPattern, "/*", PathPattern(PathKind.PREFIX, "/"), "/*"),
    (model.PathPattern, "/x/y/*", PathPattern(PathKind.PREFIX, "/x/y/"), "/x/y/*"),
    (model.PathPattern, "~^/room/[0-9]+$", PathPattern(PathKind.REGEX, "^/room/[0-9]+$"), "~^/room/[0-9]+$"),
    (model.PathPattern, "~(?i)/é .*", PathPattern(PathKind.REGEX, "(?i)/é .*"), "~(?i)/é .*"),
]

NO_REDIS_URL = (
    "this is no Redis URL: write redis://host:port/database, rediss:// or redis+sentinel://host:port,host:port/service"
    ", and percent-encode what is odd in a user or password"
)

# as in assert_refused; more are in the tests of the parsers
BAD: list[tuple[Any, str, str, bool]] = [
    (
        model.CookieName,
        "a b",
        "'a b' is no cookie's name: write one of letters, digits and -._~, like wsgate_chat",
        True,
    ),
    (model.HashKey, "ip", "'ip' is written address here", True),
    (model.Duration, "20", "20 has no unit: write 20s or 20ms", True),
    (model.Duration, "", "expected a duration like 500ms, 20s, 5m or 1h, found ''", True),
    (model.Duration, "1.5s", "'1.5s' is not how a duration is written: write 1500ms", True),
    (model.Duration, "1h30m", "'1h30m' is not how a duration is written: write 90m", True),
    (model.Duration, "٣s", "expected a duration like 500ms, 20s, 5m or 1h, found '٣s'", True),
    (model.Duration, "on", "expected a duration like 500ms, 20s, 5m or 1h, found 'on'", True),
    (model.Duration, "8761h", "8761h is longer than a year: write 8760h at most", False),
    (model.Duration, "999999999999h", "999999999999h is longer than a year: write 8760h at most", False),
    (model.Timeout, "0s", "0s would end everything at once: write a time above 0, like 1ms or 5s", True),
    (model.Timeout, "00ms", "00ms would end everything at once: write a time above 0, like 1ms or 5s", True),
    (model.Timeout, "0", "0 would end everything at once: write a time above 0, like 1ms or 5s", True),
    (model.ByteRate, "0", "0 is nothing: write a size like 1MiB, or off", True),
    (model.ByteRate, "8589934592GiB", "8589934592GiB is no limit: write a size like 1MiB, or off", False),
    (model.ByteRate, "1MB/s", "expected a size like 512B, 64KiB, 1MiB or 1GiB, found '1MB/s'", True),
    (model.MessageSize, "1048576", "1048576 has no unit: write 1048576B, or use KiB, MiB or GiB", True),
    (model.MessageSize, "16MB", "'16MB' is not how a size is written: write 16MiB", True),
    (model.MessageSize, "16 mib", "'16 mib' is not how a size is written: write 16MiB", True),
    (model.MessageSize, "2g", "'2g' is not how a size is written: write 2GiB", True),
    (model.MessageSize, "1TiB", "'1TiB' is not how a size is written: write 1024GiB", True),
    (model.MessageSize, "-1B", "expected a size like 512B, 64KiB, 1MiB or 1GiB, found '-1B'", True),
    (
        model.MessageSize,
        "0",
        "0 is less than a control frame may have (RFC 6455 §5.5): write 125B or more",
        True,
    ),
    (
        model.MessageSize,
        "124B",
        "124B is less than a control frame may have (RFC 6455 §5.5): write 125B or more",
        False,
    ),
    (
        model.MessageSize,
        "9223372036854775808B",
        "9223372036854775808B is more than a frame can have (RFC 6455 §5.2): write less than 8589934592GiB, or off",
        False,
    ),
    (model.Size, "0B", "0B is nothing: write a size like 1GiB", True),
    (model.Size, "0", "0 is nothing: write a size like 1GiB", True),
    (
        model.Size,
        "9223372036854775808B",
        "9223372036854775808B is more than any file has: write a size like 1GiB",
        False,
    ),
    (model.Size, "5", "5 has no unit: write 5B, or use KiB, MiB or GiB", True),
    # what the schema has of the others
    (model.Place, "token", "'token' is no place in a request: " + PLACES, True),
    (model.TargetRule, "10.0.0.0/8 ", "'10.0.0.0/8 ': what is behind the slash is not a number of bits like /8", True),
    (model.EntryPoint, "os.system", "'os.system' is no name of a Python object: write package.module:name", True),
    (
        model.TokenUrl,
        "http://x/",
        "'http://x/' does not say where the token goes: write {token} into its path or query",
        True,
    ),
    (model.CollectorUrl, "a:4318", "'a:4318' is no collector's URL: write http://a:4318", True),
    (model.RedisUrl, "x:6379", NO_REDIS_URL, True),
    (model.ServiceAddress, "redis", "'redis' has no port: write redis:6379", True),
    (model.WebOrigin, "https://x/", "'https://x/' is more than an origin: write https://x", True),
    (
        model.Credential,
        "secret",
        "this is not user:hash: write what htpasswd -nB USER prints, or user:{PLAIN}password",
        True,
    ),
    (model.HeaderValue, "", "the value is empty: write one, or remove the key", True),
    (model.HeadSize, "1023B", "1023B is no size for a head: write one from 1KiB to 1MiB", False),
    (model.HeadSize, "1025KiB", "1025KiB is no size for a head: write one from 1KiB to 1MiB", False),
    (model.HeadSize, "32", "32 has no unit: write 32B, or use KiB, MiB or GiB", True),
    (model.HostName, "app:443", "'app:443' has a port: write the name alone", False),
    (model.FieldName, "*", "'*' is no field: leave the key out for every one, or name them", False),
    (model.Method, "*", "'*' is no method: leave the key out for every one, or name them", True),
    (model.Method, "get", "'get' is no method: write GET", True),
    (model.Method, "a b", "'a b' is no method: write one like GET", True),
    (
        model.OriginField,
        "same-host",
        "'same-host' is no origin: write keep, remove, or one like https://app.example.com",
        True,
    ),
    (model.OriginField, "https://a/b", "'https://a/b' is more than an origin: write https://a", True),
    (model.HostField, "ws://app", "'ws://app' has a scheme: leave ws:// out, write the host alone", True),
    (model.HostField, "app:0", "'0' is not a port: a port is a number from 1 to 65535", False),
    (model.HostName, "é", "'é' is not ASCII: write an international name in its xn-- form", True),
    (
        model.Network,
        "10.0.0.1/8",
        "'10.0.0.1/8' has bits set behind its /8: write 10.0.0.0/8, or 10.0.0.1",
        False,
    ),
    (model.Network, "any", "'any' is not a network: write one like 10.0.0.0/8, an address, or unix", True),
    (
        model.Network,
        "10.0.0.0/255.0.0.0",
        "'10.0.0.0/255.0.0.0': what is behind the slash is not a number of bits like /8",
        True,
    ),
    (model.BindAddress, "tcp://x:80", "'tcp://x:80' has a scheme: leave tcp:// out, write host:port", True),
    (
        model.Target,
        "http://x:1",
        "unknown scheme 'http://': write tcp://host:port, tls://host:port or unix:/path",
        True,
    ),
    (
        model.WebSocketUrl,
        "http://x:1",
        "unknown scheme 'http://': write ws://x:1",
        True,
    ),
]


@pytest.mark.parametrize(("hint", "text", "value", "shown"), GOOD)
def test_a_text_means_a_value(hint: Any, text: str, value: object, shown: object) -> None:
    kind = SCALARS[hint]
    parsed = kind.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)
    assert kind.show(value) == shown
    assert schema_accepts(kind, text)


@pytest.mark.parametrize(("hint", "text", "value", "shown"), GOOD)
def test_the_shown_value_means_the_same_value(hint: Any, text: str, value: object, shown: object) -> None:
    shown_text = str(shown).lower() if isinstance(shown, bool) else str(shown)
    assert SCALARS[hint].parse(shown_text) == value


def test_every_scalar_type_is_in_the_table() -> None:
    assert {hint for hint, *_ in GOOD} == set(SCALARS)


@pytest.mark.parametrize(("hint", "text", "message", "by_shape"), BAD)
def test_any_other_text_is_an_error_with_a_cure(hint: Any, text: str, message: str, by_shape: bool) -> None:
    assert_refused(hint, text, message, by_shape)


@given(data=st.data(), hint=st.sampled_from(list(SCALARS)))
def test_any_text_is_a_scalar_error_or_a_value_that_the_schema_accepts(data: st.DataObject, hint: Any) -> None:
    kind = SCALARS[hint]
    texts = st.text() | st.text(alphabet="/~*.:[]0123456789abswtcp%-@?#")
    for shape in kind.schema.get("anyOf", [kind.schema]):
        if "pattern" in shape:
            texts |= st.from_regex(str(shape["pattern"]))
    text = data.draw(texts)
    try:
        value = kind.parse(text)
    except TextError:
        return
    shown = str(kind.show(value))
    assert kind.parse(shown.lower() if hint is bool else shown) == value
    assert schema_accepts(kind, text)
