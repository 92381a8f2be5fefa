"""The parsers of single values: one row of ``SCALARS`` per type of the model, with its JSON Schema.

A parser takes the text of the file, not YAML 1.1's value: ``off`` is no boolean here, and ``12:30`` is not 750. It
raises ``TextError`` with what is wrong and what to write instead.
"""

from __future__ import annotations

import difflib
import enum
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wsgate.settings import access, fixed, model
from wsgate.settings.addresses import (
    backend_url,
    bind_address,
    host_field,
    host_name,
    host_pattern,
    network,
    tunnel_target,
)
from wsgate.settings.model import SCHEMES_PORT, Address, PathKind, PathPattern, TcpAddress
from wsgate.settings.other_paths import path_meant
from wsgate.settings.quantities import head_size, message_size, size_above_zero, timeout
from wsgate.text.duration import DURATIONS, duration, show_duration
from wsgate.text.error import TextError, quote
from wsgate.text.paths import normal
from wsgate.text.regexes import why_too_slow
from wsgate.text.size import SIZES, show_size
from wsgate.text.subprotocol import SUBPROTOCOL, is_subprotocol
from wsgate.text.url import is_path

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScalarType:
    """How the values of a type are written.

    expected: completes the message "expected …"
    schema: accepts every text that ``parse`` accepts, and perhaps more
    kinds: the types that YAML 1.1 may give the text without quotes: other tools must not read a name as a number
    is_secret: no message shows the value
    null_is_meant: null without quotes probably means the word
    show: the inverse of ``parse``, as a value for JSON
    """

    expected: str
    parse: Callable[[str], Any]
    schema: Json
    kinds: frozenset[str] = frozenset({"str"})
    can_be_off: bool = False
    is_path: bool = False
    is_secret: bool = False
    null_is_meant: bool = False
    show: Callable[[Any], Any] = str


def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        word = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
        cure = word.get(text.lower())
        raise TextError(f"expected true or false, found {quote(text)}" + (f": write {cure}" if cure else ""))
    return text == "true"


def drain_code(text: str) -> int:
    code = int(text) if re.fullmatch(r"[0-9]{4}", text) else 0
    if code not in (1001, 1012) and not 3000 <= code <= 4999:
        raise TextError(f"expected 1001 (going away), 1012 (service restart) or 3000 to 4999, found {quote(text)}")
    return code


_NAME_CHARS = "[A-Za-z0-9._-]+"


def route_name(text: str) -> str:
    if not re.fullmatch(_NAME_CHARS, text):
        raise TextError(f"{quote(text)} is not a route name: use letters, digits, '.', '_' and '-'")
    return text


def subprotocol(text: str) -> str:
    if not is_subprotocol(text.encode(errors="surrogatepass")):
        if "," in text:
            raise TextError(f"{quote(text)} has a comma in it: write a list in brackets, like [a, b]")
        raise TextError(f"{quote(text)} is not a subprotocol: no quotes, line breaks or blanks around it")
    return text


def directory(text: str) -> str:
    if not text or "\0" in text:
        raise TextError(f"expected a directory, found {quote(text)}")
    return text


def file_path(text: str) -> str:
    if not text or "\0" in text:
        raise TextError(f"expected a file, found {quote(text)}")
    return text


def file_mode(text: str) -> int:
    """Parses permission bits in the octal form of chmod(1)."""
    if not re.fullmatch("0?[0-7]{3}", text):
        raise TextError(f"{quote(text)} is not a mode: write three octal digits with a 0 in front, like 0660")
    return int(text, 8)


def show_mode(mode: int) -> str:
    return f"0{mode:03o}"


def ciphers(text: str) -> str:
    if not re.fullmatch("[!-~]+", text):
        raise TextError(f"{quote(text)} is not a list of ciphers: write their names with ':' between them")
    return text


_MAX_COUNT = (1 << 31) - 1  # the kernel's largest int


def count(text: str) -> int:
    # No 0 in front: YAML 1.1 would read the number as octal.
    if not re.fullmatch("[1-9][0-9]{0,9}", text) or int(text) > _MAX_COUNT:
        raise TextError(f"expected a number from 1 to {_MAX_COUNT}, found {quote(text)}")
    return int(text)


def weight(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,2}", text) or int(text) > 256:
        raise TextError(f"expected a number from 1 to 256, found {quote(text)}")
    return int(text)


def url_path(text: str) -> str:
    if not is_path(text):
        raise TextError(f"{quote(text)} is not a URL path: write one like /healthz, without a query")
    return text


def share(text: str) -> int:
    if re.fullmatch("[0-9]{1,3}", text):
        raise TextError(f"{quote(text)} has no unit: write {quote(text + '%')}")
    if not re.fullmatch("[0-9]{1,3}%", text) or not 1 <= int(text[:-1]) <= 100:
        raise TextError(f"expected a share from 1% to 100%, found {quote(text)}")
    return int(text[:-1])


def database(text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,9}", text) or int(text) > _MAX_COUNT:
        raise TextError(f"expected a number from 0 to {_MAX_COUNT}, found {quote(text)}")
    return int(text)


def file_name(text: str) -> str:
    if not text or "/" in text or "\0" in text or text in (".", ".."):
        raise TextError(f"{quote(text)} is not the name of a file: write one without a slash, like index.html")
    return text


def free_text(text: str) -> str:
    if not text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise TextError("expected a text in one line" if text else "the text is empty: write one, or remove the key")
    return text


_MAX_WORKERS = 1024


def workers(text: str) -> int:
    if text == "auto":
        return 0
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > _MAX_WORKERS:
        raise TextError(f"expected auto or a number from 1 to {_MAX_WORKERS}, found {quote(text)}")
    return int(text)


def show_bind(address: Address) -> str:
    text = str(address)
    no_port = isinstance(address, TcpAddress) and address.port == SCHEMES_PORT
    return text.removesuffix(f":{SCHEMES_PORT}") if no_port else text


# Signs of a regular expression that a path does not have; a group alone is no sign, RFC 3986 allows parentheses.
_REGEX_SIGNS = re.compile(r"^\^|\$$|\.[*+]|\\|\[[^\]]*\]|\|")


def path_pattern(text: str) -> PathPattern:
    """Parses ``/x`` (exact), ``/x/*`` (prefix) or ``~regex``; the first two to their normal form."""
    if text.startswith("~"):
        return _regex(text[1:])
    if text in ("*", "**"):
        raise TextError(f"{quote(text)} is no path: leave path out, or write /* for every path")
    if meant := path_meant(text):
        raise TextError(f"{quote(text)} is not how a path is written: write {meant}")
    if _REGEX_SIGNS.search(text):
        raise TextError(f"{quote(text)} looks like a regular expression: write {quote('~' + text)}")
    if not text.startswith("/"):
        path = "/" + text.rstrip("/*")
        cure = f"{quote(path)} for this path alone, or {quote(path.rstrip('/') + '/*')} for all below it"
        raise TextError(f"{quote(text)} does not begin with / or ~: write {cure}")
    if "?" in text or "#" in text:
        cure = quote(re.split("[?#]", text)[0])
        raise TextError(f"{quote(text)} has a query or a fragment: only the path is matched: write {cure}")
    is_prefix = text.endswith("/*")
    path = text[:-1] if is_prefix else text
    if text.endswith("/**"):
        raise TextError(f"{quote(text)}: /* is all below, as deep as it goes: write {quote(text[:-1])}")
    if "*" in path:
        raise TextError(f"{quote(text)}: * stands only at the end, after a slash, like '/chat/*'; or write a ~regex")
    if not is_path(path):
        raise TextError(f"{quote(text)} is not a URL path: percent-encode what is not a letter, digit or one of -._~/")
    return PathPattern(PathKind.PREFIX if is_prefix else PathKind.EXACT, normal(path.encode()))


def _regex(text: str) -> PathPattern:
    if not text:
        raise TextError("there is no regular expression after ~")
    if text.startswith((" ", "* ", "*^", "*/")):  # as nginx has it
        flag = "(?i)" if text.startswith("*") else ""
        cure = quote("~" + flag + text.removeprefix("*").lstrip())
        raise TextError(f"{quote('~' + text)} is not how a regular expression is written: write {cure}")
    try:
        with warnings.catch_warnings():
            # Python warns of syntax whose meaning may change ("possible nested set"): an error here
            warnings.simplefilter("error")
            re.compile(text)
            why = why_too_slow(text)
    except re.error as error:
        at = f" at character {error.pos + 1}" if error.pos is not None else ""
        raise TextError(f"{quote(text)} is not a regular expression: {error.msg}{at}") from None
    except (RecursionError, OverflowError, Warning) as error:
        raise TextError(f"{quote(text)} is not a regular expression to use: {error}") from None
    if why is not None:
        raise TextError(f"{quote('~' + text)}: {why}")
    return PathPattern(PathKind.REGEX, text)


def enumeration(words: type[enum.Enum]) -> ScalarType:
    """Returns the row of an enum: its values are the words in the file."""
    values: list[str] = [member.value for member in words]
    expected = " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)

    def parse(text: str) -> enum.Enum:
        if text in values:
            return words(text)
        near = difflib.get_close_matches(text.lower(), values, 1)
        cure = f"; did you mean {quote(near[0])}?" if near else ""
        raise TextError(f"expected {expected}, found {quote(text)}{cure}")

    return ScalarType(expected, parse, {"enum": values}, show=lambda member: member.value)


def _text(pattern: str, *examples: str) -> Json:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)}


_PORT = "[0-9]{1,5}"
_UNIX = r"unix:/[^/](?:[\s\S]*[^/])?"
_TEXT: Json = {"type": "string", "minLength": 1}
_PATH: Json = {"type": "string", "minLength": 1}
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_HOST_PORT = f"{_HOST}:{_PORT}"

SCALARS: dict[Any, ScalarType] = {
    bool: ScalarType("true or false", boolean, {"type": "boolean"}, frozenset({"bool"}), show=bool),
    model.Duration: ScalarType(
        DURATIONS, duration, _text("[0-9]{1,12}(?:ms|s|m|h)", "500ms", "20s"), can_be_off=True, show=show_duration
    ),
    model.Timeout: ScalarType(
        DURATIONS, timeout, _text("0*[1-9][0-9]*(?:ms|s|m|h)", "500ms", "20s"), can_be_off=True, show=show_duration
    ),
    model.MessageSize: ScalarType(
        SIZES,
        message_size,
        _text("[0-9]{1,19}(?:B|KiB|MiB|GiB)", "64KiB", "1MiB"),
        frozenset({"str", "int"}),
        can_be_off=True,
        show=show_size,
    ),
    model.DrainCode: ScalarType(
        "a close code",
        drain_code,
        {"type": "integer", "anyOf": [{"enum": [1001, 1012]}, {"minimum": 3000, "maximum": 4999}]},
        frozenset({"int"}),
        show=int,
    ),
    model.RouteName: ScalarType("a route name", route_name, _text(_NAME_CHARS, "chat")),
    model.HostPattern: ScalarType(
        "a host like example.com or '*.example.com'",
        host_pattern,
        _text(r"(?:\*\.)?[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?", "example.com", "*.example.com"),
    ),
    model.Subprotocol: ScalarType("a subprotocol", subprotocol, _text(SUBPROTOCOL, "mqtt")),
    model.Directory: ScalarType("a directory", directory, _PATH, is_path=True),
    model.FilePath: ScalarType("a file", file_path, _PATH, is_path=True),
    model.FileMode: ScalarType(
        "a mode like 0660",
        file_mode,
        # YAML 1.1 reads 0660 as an octal number, YAML 1.2 as a decimal one
        {"anyOf": [_text("0?[0-7]{3}", "0660"), {"type": "integer", "minimum": 0, "maximum": 777}]},
        frozenset({"str", "int"}),
        show=show_mode,
    ),
    model.HostName: ScalarType(
        "a host name or an IP address", host_name, _text(r"[A-Za-z0-9._:\[\]-]+", "app.internal")
    ),
    model.HostField: ScalarType(
        "keep, backend or a host like app.example.com",
        host_field,
        _text(f"{_HOST}(?::{_PORT})?|[0-9A-Fa-f:.]+", "keep", "backend", "app.internal"),
    ),
    model.Ciphers: ScalarType("cipher names", ciphers, _text("[!-~]+", "ECDHE+AESGCM:ECDHE+CHACHA20")),
    model.Count: ScalarType(
        "a number of 1 or more",
        count,
        {"type": "integer", "minimum": 1, "maximum": _MAX_COUNT},
        frozenset({"int"}),
        can_be_off=True,
        show=int,
    ),
    model.Weight: ScalarType(
        "a number from 1 to 256",
        weight,
        {"type": "integer", "minimum": 1, "maximum": 256},
        frozenset({"int"}),
        show=int,
    ),
    model.Share: ScalarType("a share like 50%", share, _text("[0-9]{1,3}%", "50%"), show=lambda number: f"{number}%"),
    model.CookieName: ScalarType(
        "the name of a cookie", access.cookie_name, _text(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "wsgate_chat")
    ),
    model.UrlPath: ScalarType("a path like /healthz", url_path, _text(r"/[^\s?#]*", "/healthz")),
    model.HashKey: ScalarType(
        "address, query:NAME, header:NAME, cookie:NAME, host or path",
        access.hash_key,
        _text(r"(?:query|header|cookie):[^\s&=]+|host|path|address", "address", "query:room"),
    ),
    model.Workers: ScalarType(
        "auto or a number",
        workers,
        {"anyOf": [_text("auto|[1-9][0-9]{0,3}", "auto"), {"type": "integer", "minimum": 1, "maximum": _MAX_WORKERS}]},
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
    model.FileName: ScalarType("the name of a file", file_name, _text("[^/]+", "index.html")),
    model.FileOrDirectory: ScalarType("a file or a directory", file_path, _PATH, is_path=True),
    model.WebOrigin: ScalarType(
        "an origin like https://app.example.com",
        access.web_origin,
        _text(
            r"null|same-host|any|[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#*]*",
            "https://app.example.com",
            "same-host",
            "file://",
        ),
        null_is_meant=True,
    ),
    model.Credential: ScalarType(
        "user:hash", access.credential, _text(r"[^:]+:[\s\S]+", "admin:$2y$05$…"), is_secret=True
    ),
    model.Text: ScalarType("a text", free_text, _TEXT),
    model.HeaderValue: ScalarType("the value of a header field", access.header_value, _TEXT),
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
    model.BodyText: ScalarType("a text", fixed.body_text, _TEXT),
    model.FileBelowRoot: ScalarType(
        "the path of a file below the root", fixed.file_below_root, _text(r"/[\s\S]+", "/index.html")
    ),
    model.Database: ScalarType(
        "a number", database, {"type": "integer", "minimum": 0, "maximum": _MAX_COUNT}, frozenset({"int"}), show=int
    ),
    model.PathPattern: ScalarType(
        "a path like /x, /x/* or ~regex",
        path_pattern,
        _text(r"/[^*?#\s]*|/(?:[^*?#\s]*/)?\*|~[\s\S]+", "/chat", "/chat/*", "~^/room/[0-9]+$"),
    ),
}
