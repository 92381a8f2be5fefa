"""The types of single values: one row of ``SCALARS`` per type of the model, with its parser and its JSON Schema.

A parser takes the text of the file, not YAML 1.1's value: ``off`` is no boolean here, and ``12:30`` is not 750. It
raises ``TextError`` with what is wrong and what to write instead.
"""

from __future__ import annotations

from typing import Any

from wsgate.settings import access, changes, fixed, model, names, numbers, rewriting
from wsgate.settings.addresses import (
    backend_url,
    bind_address,
    collector_url,
    host_field,
    host_name,
    host_pattern,
    network,
    tunnel_target,
)
from wsgate.settings.log_to import EXPECTED as EXPECTED_LOG_TO
from wsgate.settings.log_to import log_to
from wsgate.settings.model import SCHEMES_PORT, Address, TcpAddress
from wsgate.settings.path_patterns import path_pattern
from wsgate.settings.quantities import byte_rate, head_size, message_size, size_above_zero, timeout, window_size
from wsgate.settings.redis_url import EXPECTED as EXPECTED_REDIS
from wsgate.settings.redis_url import redis_url
from wsgate.settings.scalar_type import Json, ScalarType
from wsgate.text.alt_name import EXPECTED as EXPECTED_ALT_NAME
from wsgate.text.alt_name import alt_name_pattern
from wsgate.text.credential_place import EXPECTED as EXPECTED_PLACE
from wsgate.text.duration import DURATIONS, duration, show_duration
from wsgate.text.size import SIZES, show_size
from wsgate.text.subprotocol import SUBPROTOCOL


def show_bind(address: Address) -> str:
    text = str(address)
    no_port = isinstance(address, TcpAddress) and address.port == SCHEMES_PORT
    return text.removesuffix(f":{SCHEMES_PORT}") if no_port else text


def _text(pattern: str, *examples: str) -> Json:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)}


_PORT = "[0-9]{1,5}"
_UNIX = r"unix:/[^/](?:[\s\S]*[^/])?"
_TEXT: Json = {"type": "string", "minLength": 1}
_PATH: Json = {"type": "string", "minLength": 1}
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_FIELD_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HOST_PORT = f"{_HOST}:{_PORT}"

SCALARS: dict[Any, ScalarType] = {
    bool: ScalarType("true or false", names.boolean, {"type": "boolean"}, frozenset({"bool"}), show=bool),
    model.Switch: ScalarType(
        "on or off", names.switch, {"enum": ["on", "off", True, False]}, frozenset({"bool", "str"}), show=bool
    ),
    model.CompressionLevel: ScalarType(
        "a level from 1 to 9",
        numbers.compression_level,
        {"type": "integer", "minimum": 1, "maximum": 9},
        frozenset({"int"}),
        show=int,
    ),
    model.WindowSize: ScalarType(
        SIZES,
        window_size,
        {"enum": [*(f"{size}KiB" for size in (1, 2, 4, 8, 16, 32)), "512B"]},
        show=show_size,
    ),
    model.Duration: ScalarType(
        DURATIONS, duration, _text("[0-9]{1,12}(?:ms|s|m|h)", "500ms", "20s"), can_be_off=True, show=show_duration
    ),
    model.Timeout: ScalarType(
        DURATIONS, timeout, _text("0*[1-9][0-9]*(?:ms|s|m|h)", "500ms", "20s"), can_be_off=True, show=show_duration
    ),
    model.LogTo: ScalarType(
        EXPECTED_LOG_TO,
        log_to,
        _text(r"stderr|stdout|journald|syslog|(?:file|syslog):[\s\S]+", "stderr", "file:/var/log/wsgate.log"),
    ),
    model.MessageSize: ScalarType(
        SIZES,
        message_size,
        _text("[0-9]{1,19}(?:B|KiB|MiB|GiB)", "64KiB", "1MiB"),
        frozenset({"str", "int"}),
        can_be_off=True,
        show=show_size,
    ),
    model.ByteRate: ScalarType(
        SIZES,
        byte_rate,
        _text("0*[1-9][0-9]*(?:B|KiB|MiB|GiB)", "64KiB", "1MiB"),
        frozenset({"str", "int"}),
        can_be_off=True,
        show=show_size,
    ),
    model.DrainCode: ScalarType(
        "a close code",
        numbers.drain_code,
        {"type": "integer", "anyOf": [{"enum": [1001, 1012]}, {"minimum": 3000, "maximum": 4999}]},
        frozenset({"int"}),
        show=int,
    ),
    model.RouteName: ScalarType("a route name", names.route_name, _text(names.NAME_CHARS, "chat")),
    model.HostPattern: ScalarType(
        "a host like example.com or '*.example.com'",
        host_pattern,
        _text(r"(?:\*\.)?[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?", "example.com", "*.example.com"),
    ),
    model.Subprotocol: ScalarType("a subprotocol", names.subprotocol, _text(SUBPROTOCOL, "mqtt")),
    model.Directory: ScalarType("a directory", names.directory, _PATH, is_path=True),
    model.FilePath: ScalarType("a file", names.file_path, _PATH, is_path=True),
    model.SecretFile: ScalarType("a file", names.secret_file, _PATH, is_path=True, names_secret=True),
    model.FileMode: ScalarType(
        "a mode like 0660",
        numbers.file_mode,
        # YAML 1.1 reads 0660 as an octal number, YAML 1.2 as a decimal one
        {"anyOf": [_text("0?[0-7]{3}", "0660"), {"type": "integer", "minimum": 0, "maximum": 777}]},
        frozenset({"str", "int"}),
        show=numbers.show_mode,
    ),
    model.HostName: ScalarType(
        "a host name or an IP address", host_name, _text(r"[A-Za-z0-9._:\[\]-]+", "app.internal")
    ),
    model.HostField: ScalarType(
        "keep, backend or a host like app.example.com",
        host_field,
        _text(f"{_HOST}(?::{_PORT})?|[0-9A-Fa-f:.]+", "keep", "backend", "app.internal"),
    ),
    model.Ciphers: ScalarType("cipher names", names.ciphers, _text("[!-~]+", "ECDHE+AESGCM:ECDHE+CHACHA20")),
    model.Count: ScalarType(
        "a number of 1 or more",
        numbers.count,
        {"type": "integer", "minimum": 1, "maximum": numbers.MAX_COUNT},
        frozenset({"int"}),
        can_be_off=True,
        show=int,
    ),
    model.Weight: ScalarType(
        "a number from 1 to 256",
        numbers.weight,
        {"type": "integer", "minimum": 1, "maximum": 256},
        frozenset({"int"}),
        show=int,
    ),
    model.Share: ScalarType(
        "a share like 50%",
        numbers.share,
        _text("[0-9]{1,3}%", "50%"),
        can_be_off=True,
        show=lambda number: f"{number}%",
    ),
    model.CookieName: ScalarType(
        "the name of a cookie", access.cookie_name, _text(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "wsgate_chat")
    ),
    model.UrlPath: ScalarType("a path like /healthz", names.url_path, _text(r"/[^\s?#]*", "/healthz")),
    model.HashKey: ScalarType(
        "address, query:NAME, header:NAME, cookie:NAME, host or path",
        access.hash_key,
        _text(r"(?:query|header|cookie):[^\s&=]+|host|path|address", "address", "query:room"),
    ),
    model.Workers: ScalarType(
        "auto or a number",
        numbers.workers,
        {
            "anyOf": [
                _text("auto|[1-9][0-9]{0,3}", "auto"),
                {"type": "integer", "minimum": 1, "maximum": numbers.MAX_WORKERS},
            ]
        },
        frozenset({"str", "int"}),
        show=lambda number: number or "auto",
    ),
    model.Network: ScalarType(
        "a network like 10.0.0.0/8, an address, or unix",
        network,
        _text(r"unix:?|[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?", "10.0.0.0/8", "2001:db8::/32", "unix"),
    ),
    model.BindAddress: ScalarType(
        "host:port, '[v6]:port' or unix:/path",
        bind_address,
        _text(f"{_UNIX}|{_HOST}(?::{_PORT})?", "127.0.0.1:8080", "[::]:8080", "unix:/run/wsgate.sock"),
        show=show_bind,
    ),
    model.Target: ScalarType(
        "tcp://host:port, tls://host:port or unix:/path",
        tunnel_target,
        _text(f"{_UNIX}|(?:tcp|tls)://{_HOST_PORT}", "tcp://127.0.0.1:5900", "unix:/run/mqtt.sock"),
    ),
    model.WebSocketUrl: ScalarType(
        "ws://host:port[/path], wss://host:port[/path] or unix:/socket[:/path]",
        backend_url,
        _text(rf"wss?://{_HOST}(?::{_PORT})?(?:/[^\s?#]*)?|{_UNIX}", "ws://127.0.0.1:9000"),
    ),
    model.Place: ScalarType(
        "query:NAME, header:NAME, cookie:NAME, host or path",
        access.place,
        _text(r"(?:query|header|cookie):[^\s&=]+|host|path", "query:token", "header:X-Token", "path"),
    ),
    model.CredentialPlace: ScalarType(
        EXPECTED_PLACE,
        access.credential_place,
        _text(r"(?:header|query|cookie|subprotocol):[^\s&=#]+", "header:Authorization", "subprotocol:bearer."),
    ),
    model.TargetRule: ScalarType(
        "a network, a host, * or unix:/directory/, with :port or :first-last",
        access.target_rule,
        _text(
            r"unix:/[\s\S]*|[^\s\[\]]+|\[[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?\](?::[0-9-]+)?",
            "10.0.0.0/8:5900-5999",
            "[fd00::/8]:5900",
            "*.example.com:22",
            "unix:/run/vnc/",
        ),
        show=access.show_target_rule,
    ),
    model.EntryPoint: ScalarType(
        "package.module:name",
        access.entry_point,
        _text(r"[A-Za-z0-9_.]+:[A-Za-z0-9_.]+", "vault.tokens:lookup"),
    ),
    model.TokenUrl: ScalarType(
        "http://host:port/path/{token}, or https://",
        access.token_url,
        _text(r"https?://[^\s#]*\{token\}[^\s#]*", "http://127.0.0.1:8000/targets/{token}"),
    ),
    model.HttpUrl: ScalarType(
        "http://host:port/path, or https://",
        access.http_url,
        _text(r"https?://[^\s#]+", "http://127.0.0.1:4180/check"),
    ),
    model.KeySet: ScalarType(
        "a file, or an https:// URL",
        access.key_set,
        {**_PATH, "examples": ["/etc/wsgate/jwks.json", "https://login.example.com/.well-known/jwks.json"]},
        is_path=True,
        names_secret=True,  # a key of it may be symmetric
    ),
    model.CollectorUrl: ScalarType(
        "http://host:4318, or https://",
        collector_url,
        _text(r"https?://[^\s?#]+", "http://127.0.0.1:4318"),
    ),
    model.RedisUrl: ScalarType(
        EXPECTED_REDIS,
        redis_url,
        _text(
            r"rediss?(?:\+sentinel)?://[^\s?#]+", "redis://127.0.0.1:6379/0", "redis+sentinel://a:26379,b:26379/main"
        ),
        can_be_off=True,
        is_secret=True,
    ),
    model.ServiceAddress: ScalarType(
        "host:port or unix:/path",
        access.service_address,
        _text(f"{_UNIX}|{_HOST_PORT}", "127.0.0.1:6379", "unix:/run/redis/redis.sock"),
    ),
    model.Size: ScalarType(
        SIZES,
        size_above_zero,
        _text("0*[1-9][0-9]*(?:B|KiB|MiB|GiB)", "100MiB", "1GiB"),
        show=show_size,
    ),
    model.HeadSize: ScalarType(SIZES, head_size, _text("0*[1-9][0-9]*(?:B|KiB|MiB)", "16KiB", "64KiB"), show=show_size),
    model.FileName: ScalarType("the name of a file", names.file_name, _text("[^/]+", "index.html")),
    model.FileOrDirectory: ScalarType("a file or a directory", names.file_path, _PATH, is_path=True),
    model.WebOrigin: ScalarType(
        "an origin like https://app.example.com",
        access.web_origin,
        _text(
            r"null|same-host|any|[A-Za-z][A-Za-z0-9+.-]*://(\*|\*\.)?[^/\s?#*]*",
            "https://app.example.com",
            "https://*.example.com",
            "same-host",
            "file://",
        ),
        null_is_meant=True,
    ),
    model.OriginField: ScalarType(
        "keep, remove or an origin like https://app.example.com",
        access.origin_field,
        _text(
            r"keep|remove|null|[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#*]*",
            "keep",
            "remove",
            "https://app.example.com",
        ),
        null_is_meant=True,
    ),
    model.Credential: ScalarType(
        "user:hash", access.credential, _text(r"[^:]+:[\s\S]+", "admin:$2y$05$…"), is_secret=True
    ),
    model.AltName: ScalarType(
        EXPECTED_ALT_NAME, alt_name_pattern, _text("(?:dns|uri|email|ip):[^\\s]+", "dns:*.example.com", "ip:10.0.0.0/8")
    ),
    model.Text: ScalarType("a text", names.free_text, _TEXT),
    model.HeaderValue: ScalarType("the value of a header field", access.header_value, _TEXT),
    model.FieldName: ScalarType("the name of a header field", access.listed_field, _text(_FIELD_NAME, "X-Total")),
    model.Method: ScalarType("a method like GET", access.method, _text("[A-Z-]+", "PUT")),
    model.RequestIdField: ScalarType(
        "the name of a header field", changes.request_id_field, _text(_FIELD_NAME, "X-Request-Id")
    ),
    model.BackendFieldName: ScalarType(
        "the name of a header field", changes.removed_backend_field, _text(_FIELD_NAME, "Cookie")
    ),
    model.AnswerFieldName: ScalarType(
        "the name of a header field", changes.backend_field, _text(_FIELD_NAME, "X-Auth-User")
    ),
    model.ClientFieldName: ScalarType(
        "the name of a header field", changes.removed_client_field, _text(_FIELD_NAME, "Server")
    ),
    model.Status: ScalarType(
        "a status from 200 to 599",
        fixed.status,
        {"type": "integer", "minimum": 200, "maximum": 599},
        frozenset({"int"}),
        show=int,
    ),
    model.RedirectStatus: ScalarType(
        "301, 302, 303, 307 or 308",
        fixed.redirect_status,
        {"enum": [301, 302, 303, 307, 308]},
        frozenset({"int"}),
        show=int,
    ),
    model.RedirectTarget: ScalarType(
        "an http:// or https:// URL, or a path",
        fixed.redirect_target,
        _text(r"(?:/|\{path\}|[Hh][Tt][Tt][Pp][Ss]?://)[^\s]*", "https://app.example.com{path}{query}", "/new/{rest}"),
    ),
    model.PathPrefix: ScalarType(
        "a prefix like /chat",
        rewriting.path_prefix,
        _text(r"/[^\s?#*]*", "/chat"),
        show=lambda prefix: prefix or "/",
    ),
    model.StrippedPrefix: ScalarType("a prefix like /chat", rewriting.stripped_prefix, _text(r"/[^\s?#*]+", "/chat")),
    model.NewPrefix: ScalarType(
        "a prefix like /v2, or /",
        rewriting.new_prefix,
        _text(r"/[^\s?#*]*", "/v2"),
        show=lambda prefix: prefix or "/",
    ),
    model.RewriteTarget: ScalarType(
        "a path like /rooms/{1}",
        rewriting.rewrite_target,
        _text(r"(?:/|\{path\})[^\s?#]*", "/v2/{rest}", "/rooms/{room}", "{path}/ws"),
    ),
    model.BodyText: ScalarType("a text", fixed.body_text, _TEXT),
    model.FileBelowRoot: ScalarType(
        "the path of a file below the root", fixed.file_below_root, _text(r"/[\s\S]+", "/index.html")
    ),
    model.Database: ScalarType(
        "a number",
        numbers.database,
        {"type": "integer", "minimum": 0, "maximum": numbers.MAX_COUNT},
        frozenset({"int"}),
        show=int,
    ),
    model.PathPattern: ScalarType(
        "a path like /x, /x/* or ~regex",
        path_pattern,
        _text(r"/[^*?#\s]*|/(?:[^*?#\s]*/)?\*|~[\s\S]+", "/chat", "/chat/*", "~^/room/[0-9]+$"),
    ),
}
