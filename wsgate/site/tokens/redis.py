"""``redis``: tokens are keys of a Redis database, and the value is the target.

The few commands that are needed are implemented here, over the same dial as for backends. So a lookup waits in trio and
ends at its deadline, and TLS is the gateway's own. An idle connection is kept for the next lookup.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from wsgate.net.dial import DialError, dial
from wsgate.net.io import receive_or_raise, send_all
from wsgate.net.tls.handshake import explain
from wsgate.net.transport import Transport
from wsgate.settings.model import Redis, Target
from wsgate.site.tokens.fresh import Fresh
from wsgate.site.tokens.source import SourceError, TlsContext, tls_client
from wsgate.site.tokens.values import Targets, targets
from wsgate.text.file import password
from wsgate.wire.resp import Replies, Reply, RespError, command

_KEPT = 8  # connections
_MAX_PASSWORD = 4096  # bytes of its file

_CURES = {
    "NOAUTH": "it wants a password: name its file with password_file",
    "WRONGPASS": "is the password in password_file the one of this user?",
    "NOPERM": "the user may not GET these keys: see ACL SETUSER",
    "LOADING": "it is starting",
    "MOVED": "it is a node of a cluster, which is not supported: name a server that has all keys",
    "WRONGTYPE": "a token's key holds no string: store it with SET",
}


class _Lost(Exception):
    """The connection ended, or was lost, before all replies came; the message says which."""


@dataclass(slots=True, eq=False)
class _Connection:
    sock: Transport
    replies: Replies = field(default_factory=Replies)

    async def ask(self, *commands: bytes) -> list[Reply]:
        """Returns the replies to some commands. Raises ``_Lost``, and ``ValueError`` when the bytes are no reply."""
        await send_all(self.sock, b"".join(commands))  # if it is gone, reading tells it
        found: list[Reply] = []
        while len(found) < len(commands):
            while len(found) < len(commands) and (reply := self.replies.next()) is not None:
                found += reply
            if len(found) < len(commands):
                try:
                    data = await receive_or_raise(self.sock)
                except OSError as error:
                    raise _Lost(explain(error)) from None
                if not data:
                    raise _Lost("the connection ended without an answer")
                self.replies.receive(data)
        if self.replies.begun:
            raise ValueError("more than it was asked for")
        return found


class RedisSource:
    """Looks tokens up in Redis. Raises ``SourceError`` when the password's file cannot be read."""

    def __init__(self, settings: Redis, tls: bool, context: TlsContext | None, within: float) -> None:
        self._settings = settings
        self._tls = tls
        self._within = within
        self._context = context
        self._server = Target(settings.address, tls=context is not None)
        self._idle: list[_Connection] = []
        self._closed = False
        self._limiter = trio.CapacityLimiter(1)
        self._password: Fresh[bytes] | None = None
        if settings.password_file is not None:
            self._password = Fresh(settings.password_file, password, _MAX_PASSWORD)
            try:
                self._password.get()
            except SourceError as error:
                raise SourceError(str(error), key="redis.password_file") from None

    async def look_up(self, token: str) -> Targets | None:
        get = command(b"GET", ((self._settings.prefix or "") + token).encode())
        try:
            value = await self._ask(get)
            return None if value is None else targets(value.decode(), self._tls)
        except UnicodeDecodeError:
            raise SourceError(f"{self._name}: a token's value is not UTF-8") from None
        except ValueError as error:
            raise SourceError(f"{self._name}: a token's value {error}") from None

    def close(self) -> None:
        self._closed = True
        for connection in self._idle:
            connection.sock.close()
        self._idle.clear()

    @property
    def _name(self) -> str:
        return f"redis at {self._settings.address}"

    async def _ask(self, get: bytes) -> bytes | None:
        while self._idle:
            try:
                return await self._get(self._idle.pop(), get)
            except _Lost:
                pass  # the server was restarted, or has closed the idle connection
        try:
            return await self._get(await self._connect(), get)
        except _Lost as lost:
            raise SourceError(f"{self._name}: {lost}") from None

    async def _get(self, connection: _Connection, get: bytes) -> bytes | None:
        """Sends a GET, and keeps the connection unless it failed."""
        kept = False
        try:
            (value,) = await self._replies(connection, get)
            kept = not self._closed and len(self._idle) < _KEPT
            if kept:
                self._idle.append(connection)
        finally:
            if not kept:
                connection.sock.close()
        if value is None or isinstance(value, bytes):
            return value
        raise SourceError(f"{self._name} answered GET with a number")

    async def _connect(self) -> _Connection:
        hello = []
        if self._password is not None:
            read = self._password.get
            password = await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._limiter)
            user = () if self._settings.user is None else (self._settings.user.encode(),)
            hello.append(command(b"AUTH", *user, password))
        if self._settings.database:
            hello.append(command(b"SELECT", b"%d" % self._settings.database))
        try:
            name = self._settings.tls.server_name if self._settings.tls else None
            client = await tls_client(self._context, name, self._limiter)
            sock = await dial(self._server, self._within, client)
        except DialError as error:
            raise SourceError(f"{self._name}: {error}") from None
        connection = _Connection(sock)
        try:
            await self._replies(connection, *hello)
        except BaseException:
            sock.close()
            raise
        return connection

    async def _replies(self, connection: _Connection, *commands: bytes) -> list[Reply]:
        try:
            replies = await connection.ask(*commands)
        except ValueError as error:
            raise SourceError(f"{self._name} sent {error}: is it a Redis server?") from None
        for reply in replies:
            if isinstance(reply, RespError):
                cure = _CURES.get(reply.kind, "")
                said = f"{self._name} answered {reply.kind}"
                raise SourceError(f"{said}: {cure}" if cure else f"{said}: see its log")
        return replies
