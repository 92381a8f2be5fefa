"""``wsgate probe URL``: opens a WebSocket as any client does, and says what it met; for containers and monitoring.

A WebSocket is opened, answers a Ping, and is closed. A URL with http:// is only asked with GET, like ``/readyz``.
"""

from __future__ import annotations

import base64
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from wsgate.gate.health_check import ping_and_close
from wsgate.net.ask import ask
from wsgate.net.dial import DialError, TlsClient, dial
from wsgate.net.resolver import Resolver, set_requester
from wsgate.net.tls.contexts import backend_context
from wsgate.net.transport import Transport
from wsgate.settings.addresses import backend_url
from wsgate.settings.model import BackendTls, UnixAddress, WebSocketUrl
from wsgate.text.error import TextError, quote
from wsgate.text.field import field_name, field_value
from wsgate.text.url import is_query
from wsgate.wire.client import Answer, BadAnswer, HttpClient
from wsgate.wire.handshake import BackendHandshake, Declined, Upgrade
from wsgate.wire.headers import Headers
from wsgate.wire.http import Request

_WEBSOCKET_SCHEME = {"http": "ws", "https": "wss"}
_LONGEST = 200  # characters of an answer's body that are shown


@dataclass(frozen=True, slots=True)
class Probed:
    """What is asked.

    shown: the URL as it was written
    http: whether it is asked with GET alone
    timeout: seconds for all of it
    """

    shown: str
    url: WebSocketUrl
    target: bytes
    http: bool
    timeout: float
    fields: Headers = ()
    subprotocols: tuple[bytes, ...] = ()
    tls: BackendTls = BackendTls()  # noqa: RUF009 - it is frozen


def parse(text: str, timeout: float, headers: Sequence[str], subprotocols: Sequence[str], tls: BackendTls) -> Probed:
    """Returns what a command line asks for. Raises ``TextError`` when its URL or a field is wrong."""
    scheme, colon, rest = text.partition("://")
    http = scheme in _WEBSOCKET_SCHEME
    whole = f"{_WEBSOCKET_SCHEME[scheme]}://{rest}" if http else text
    base, mark, query = whole.partition("?")
    if not is_query(query):
        raise TextError("is not a valid query: percent-encode what is not a letter, digit or one of -._~", quote(query))
    if not colon and not text.startswith("unix:"):
        raise TextError("has no scheme: write ws://, wss://, http:// or https://", quote(text))
    url = backend_url(base)
    fields = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise TextError("is no field: write 'NAME: VALUE'", quote(header))
        fields.append((field_name(name.strip()).encode(), field_value(value.strip()).encode("latin-1")))
    target = f"{url.path or '/'}{mark}{query}".encode()
    asked = tuple(name.encode() for name in subprotocols)
    return Probed(text, url, target, http, timeout, fields, asked, tls)


def run(probed: Probed) -> int:
    """Asks, and prints what was met. Returns the exit status: 0 if it is well, else 1."""
    try:
        print(f"{probed.shown}: {trio.run(_probe, probed)}")
    except _NotWellError as error:
        print(f"wsgate probe: {probed.shown}: {error}", file=sys.stderr)
        return 1
    return 0


class _NotWellError(Exception):
    """The message says what was met instead."""


async def _probe(probed: Probed) -> str:
    trio.socket.set_custom_hostname_resolver(Resolver())
    set_requester("probe")
    try:
        tls = TlsClient(backend_context(probed.tls)) if probed.url.tls else None
    except (OSError, ssl.SSLError) as error:
        raise _NotWellError(f"the CAs of {probed.tls.ca} cannot be read: {error}") from None
    try:
        with trio.fail_after(probed.timeout):
            transport = await dial(probed.url, probed.timeout, tls)
            try:
                return await (_get if probed.http else _open)(transport, probed)
            finally:
                transport.close()
    except DialError as error:
        raise _NotWellError(str(error)) from None
    except trio.TooSlowError:
        raise _NotWellError(f"it took longer than {probed.timeout:g} s") from None


def _host(url: WebSocketUrl) -> bytes:
    if isinstance(url.address, UnixAddress):
        return b"localhost"
    return str(url.address).removesuffix(":443" if url.tls else ":80").encode()


async def _get(transport: Transport, probed: Probed) -> str:
    fields = [(b"Host", _host(probed.url)), (b"User-Agent", b"wsgate"), (b"Connection", b"close"), *probed.fields]
    answer = await ask(transport, HttpClient(probed.target, fields))
    if isinstance(answer, BadAnswer):
        raise _NotWellError(answer.reason)
    assert isinstance(answer, Answer)  # the request asked for no upgrade, so a 101 is a bad answer
    said = f"answered {answer.status}{_shown(answer.body)}"
    if not 200 <= answer.status < 300:
        raise _NotWellError(said)
    return said


async def _open(transport: Transport, probed: Probed) -> str:
    host = _host(probed.url)
    request = Request(b"GET", probed.target, host, b"1.1", [], [])
    key = base64.b64encode(os.urandom(16))
    upgrade = Upgrade(b"", probed.subprotocols, [])
    fields = [(b"User-Agent", b"wsgate"), *probed.fields]
    handshake = BackendHandshake(request, upgrade, target=probed.target, key=key, written=fields)
    began = trio.current_time()
    answer = await ask(transport, handshake)
    if isinstance(answer, BadAnswer):
        raise _NotWellError(answer.reason)
    if isinstance(answer, Declined):
        raise _NotWellError(f"answered {answer.status}{_shown(answer.body)}")
    opened = trio.current_time()
    if failure := await ping_and_close(transport, answer.early):
        raise _NotWellError(failure)
    chosen = "" if answer.subprotocol is None else f" with {answer.subprotocol.decode('latin-1')}"
    closed = trio.current_time()
    return f"opened{chosen} in {_ms(opened - began)}, answered a Ping and closed in {_ms(closed - opened)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _shown(body: bytes) -> str:
    """Returns the beginning of an answer's body for a terminal, in one line."""
    text = " ".join(body.decode(errors="replace").split())
    text = "".join(char for char in text if char.isprintable())
    return f": {text[:_LONGEST]}" if text else ""
