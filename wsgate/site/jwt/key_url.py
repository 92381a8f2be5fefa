"""The keys of a key set that an HTTP service has (``jwks_uri``), for tokens that come at any time.

One task asks for them (``run``), so that no client waits for the service once there are keys. It asks again after a
while, and earlier if a token names a key that is not known: its issuer has begun to sign with a new one. Anybody can
send such tokens, so there is a least time between two questions, and all who wait get the same answer. If the service
fails, the keys that are known stay.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import trio

from wsgate.events.trouble import Trouble
from wsgate.net.resolver import set_requester
from wsgate.settings.model import BackendTls, HttpUrl
from wsgate.site.http_service import HttpService
from wsgate.site.jwt.keys import Key, read_key_set
from wsgate.site.tokens.source import SourceError, TlsContext

MAX_SIZE = 1 << 20  # bytes of an answer
LEAST = 10.0  # seconds between the beginnings of two questions


class KeyUrl:
    """The keys at a URL.

    algorithms: the accepted ones
    context: for TLS; ``None`` without
    refresh: seconds after which they are asked for again
    within: seconds for an answer
    """

    def __init__(
        self,
        url: HttpUrl,
        algorithms: Sequence[str],
        tls: BackendTls,
        context: TlsContext | None,
        refresh: float,
        within: float,
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._service = HttpService(url, tls, context, within)
        self._refresh = refresh
        self._least = min(LEAST, refresh)
        self._within = within
        self._keys: tuple[Key, ...] = ()
        self._error = ""  # why the last question has failed
        self._asked_at = -math.inf
        self._is_asked = False
        self._is_run = False
        self._answered = trio.Event()  # the present question, or else the next one, is over
        self._wanted = trio.Event()
        self._thread = trio.CapacityLimiter(1)
        self._trouble = Trouble("token keys not read", "token keys read again", url=url.shown)

    async def get(self) -> tuple[Key, ...]:
        """Returns the keys; waits for the first ones. The caller bounds the time.

        Raises ``SourceError`` when there are none, because the service has failed.
        """
        if not self._keys and not self._error:
            await self._answered.wait()
        if not self._keys:
            self._ask_soon()
            raise SourceError(self._error)
        return self._keys

    async def get_newer(self) -> tuple[Key, ...]:
        """Returns the keys, after the service was asked again if that may be. The caller bounds the time.

        Raises ``SourceError`` when the last question has failed: then nobody knows whether there are new keys.
        """
        if self._ask_soon():
            await self._answered.wait()
        if self._error:
            raise SourceError(self._error)
        return self._keys

    def known(self) -> tuple[Key, ...]:
        """Returns the keys that were read last. Raises ``SourceError`` when none were."""
        if not self._keys:
            raise SourceError(self._error or "no keys were read yet")
        return self._keys

    def _ask_soon(self) -> bool:
        """Has the service asked again, if that may be. Returns whether it is asked now."""
        if self._is_run and trio.current_time() >= self._asked_at + self._least:
            self._wanted.set()
        return self._is_asked or self._wanted.is_set()

    async def run(self) -> None:
        """Asks for the keys until cancelled."""
        set_requester(f"{self._url.shown} (keys of tokens)")
        self._is_run = True
        try:
            while True:
                self._wanted = trio.Event()
                self._asked_at, self._is_asked = trio.current_time(), True
                await self._ask()
                self._is_asked = False
                self._answered.set()
                self._answered = trio.Event()
                with trio.move_on_after(self._least if self._error else self._refresh * random.uniform(0.9, 1.1)):
                    await self._wanted.wait()
        finally:
            self._is_run = self._is_asked = False
            self._wanted = trio.Event()
            self._error = self._error or ("" if self._keys else "no keys were read")
            self._answered.set()

    async def _ask(self) -> None:
        try:
            with trio.fail_after(self._within):
                answer = await self._service.get(self._url.target, max_body=MAX_SIZE)
                if answer.status != 200:
                    raise SourceError(f"{self._url.shown} answered with status {answer.status}")
                self._keys = await self._read(answer.body)
        except SourceError as error:
            self._error = str(error)
        except trio.TooSlowError:
            self._error = f"{self._url.shown} did not answer within {self._within:g} s"
        else:
            self._error = ""
            self._trouble.end()
            return
        stays = "the keys that are known stay" if self._keys else "clients get 503 until there are keys"
        self._trouble.begin(self._error, consequence=stays)

    async def _read(self, body: bytes) -> tuple[Key, ...]:
        try:
            return await trio.to_thread.run_sync(
                read_key_set, body, self._algorithms, abandon_on_cancel=True, limiter=self._thread
            )
        except ValueError as error:
            raise SourceError(f"{self._url.shown}: its answer {error}") from None
