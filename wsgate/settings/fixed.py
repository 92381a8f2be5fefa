"""Values of the configuration about fixed answers: statuses, texts, header fields, where a redirect leads, fallbacks.

Every parser takes the text of one value and returns the model's value. It raises ``TextError`` when the text is wrong.
"""

from __future__ import annotations

import re

from wsgate.text.address import host_and_port
from wsgate.text.error import TextError, quote
from wsgate.text.field import field_name
from wsgate.text.port import port_number
from wsgate.text.template import names
from wsgate.text.url import is_path, is_query

PLACEHOLDERS = ("{host}", "{path}", "{rest}", "{query}")  # and groups of the route's regular expression
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_TARGET = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*)://([^/?#{}]*(?:\{host\}[^/?#{}]*)*))?([^?#]*)(\?[^#]*)?(#.*)?", re.S
)

# What other programs write for it
_OTHER_PLACEHOLDERS = {
    **dict.fromkeys(("$host", "%h", "{http.request.host}"), "{host}"),
    **dict.fromkeys(("$request_uri", "{uri}", "{http.request.uri}"), "{path}{query}"),
    **dict.fromkeys(("$uri", "{http.request.uri.path}"), "{path}"),
    **{f"${number}": f"{{{number}}}" for number in range(1, 10)},
    **dict.fromkeys(("$is_args$args", "?{query}", "?$args", "?$query_string"), "{query}"),
}

# The connection decides them, or the length of the body
_FRAMING = frozenset(
    {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


class OtherProgramsName(TextError):
    """The text has a name of another program's; no other advice about the text helps."""


def status(text: str) -> int:
    """Parses the status of a final answer."""
    if not re.fullmatch("[2-5][0-9]{2}", text):
        raise TextError(f"expected a status from 200 to 599, found {quote(text)}")
    return int(text)


def redirect_status(text: str) -> int:
    """Parses a status with which clients follow a Location (RFC 9110 §15.4)."""
    if text not in ("301", "302", "303", "307", "308"):
        raise TextError(f"expected 301 or 308 (for ever), 302, 303 or 307 (for now), found {quote(text)}")
    return int(text)


def redirect_target(text: str) -> str:
    """Parses an http:// or https:// URL or a path, with placeholders.

    What a client sends can only be the host that it asked for itself, or stand behind the slash that ends the host. So
    no link to the gateway can lead to a host that neither the operator nor the visitor has named.
    """
    if "@" in re.split("[/?#]", text.partition("://")[2], maxsplit=1)[0]:  # first: no message may show the password
        raise TextError("the URL of a redirect cannot hold a user or password: remove all up to '@'")
    if text in ("https", "http"):
        cure = "write redirect: https on the plain listener" if text == "https" else "a browser is not sent back there"
        raise TextError(f"{quote(text)} says no host: {cure}; or write a URL, like {text}://{{host}}{{path}}{{query}}")
    for other, ours in _OTHER_PLACEHOLDERS.items():
        if other in text:
            raise OtherProgramsName(f"{quote(text)} has {other}: here it is {ours}")
    for placeholder in _PLACEHOLDER.findall(text):
        if not names(placeholder):
            raise TextError(f"{quote(text)}: {placeholder} is none of {', '.join(PLACEHOLDERS)}, {{1}}")
    found = _TARGET.fullmatch(text)
    assert found is not None  # every part may be empty
    scheme, authority, path, query, fragment = found.groups()
    if scheme is None:
        _check_own(text)
    else:
        _check_authority(text, scheme, authority, path)
    for part, is_valid in ((path, _is_path), (query, is_query), (fragment, is_query)):
        if part and not is_valid(_PLACEHOLDER.sub("", part if part is path else part[1:])):
            raise TextError(f"{quote(text)}: percent-encode what is not a letter, digit or one of -._~/?&=")
    return text


def _is_path(text: str) -> bool:
    return is_path("/" + text)


def _check_own(text: str) -> None:
    """Checks the beginning of a target without a scheme, which stays on the host that was asked for."""
    if text.startswith("//"):
        raise TextError(f"{quote(text)} has no scheme: write {quote('https:' + text)}")
    if text.startswith(("/", "{path}")):
        return
    if text.startswith("{host}") or re.match(r"[A-Za-z0-9-]+\.[A-Za-z0-9.-]+", text):
        raise TextError(f"{quote(text)} has no scheme: write {quote('https://' + text)}")
    raise TextError(f"{quote(text)} is neither a URL nor a path: write https://host/path or /path")


def _check_authority(text: str, scheme: str, authority: str, path: str) -> None:
    if scheme.lower() not in ("http", "https"):
        cure = {"ws": "http", "wss": "https"}.get(scheme.lower())
        advice = f"write {cure}://" if cure else "write http:// or https://"
        raise TextError(f"{quote(text)}: no browser follows a redirect to {scheme}://: {advice}")
    if path and not path.startswith(("/", "{path}")):
        before = f"{scheme}://{authority}"
        raise TextError(
            f"{quote(text)}: clients could go on with the host's name there: write {quote(f'{before}/{path}')}"
        )
    _, port = host_and_port(authority.replace("{host}", "host"))
    if port is not None:
        port_number(port)


def body_text(text: str) -> str:
    """Checks the text of an answer."""
    if not text:
        raise TextError("the text is empty: write one, or remove the key")
    if "\0" in text:
        raise TextError("the text has a zero byte in it: remove it")
    return text


def answer_field_name(text: str) -> str:
    """Checks the name of a field of a whole answer. All but the fields of the connection may be there."""
    field_name(text)
    if text.lower() in _FRAMING:
        raise TextError(f"{text} is written by the gateway itself: remove it")
    return text


def file_below_root(text: str) -> str:
    """Parses the path of a file below the root of a ``files`` route."""
    if not text.startswith("/"):
        raise TextError(f"{quote(text)} does not begin with a slash, which is the root: write {quote('/' + text)}")
    names = text[1:].split("/")
    if "\0" in text or any(not name or name.startswith(".") for name in names):
        raise TextError(f"{quote(text)} is not the path of a file below the root: write one like /index.html")
    return text
