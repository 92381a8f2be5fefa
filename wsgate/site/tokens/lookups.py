"""Looks up a token under a deadline, also if its source hangs.

The deadline includes the wait for other lookups, whose number is limited. So a source that hangs delays only the
clients of its own route. A failure of a source is logged when it begins and when it is over, not for every client.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from wsgate.events.emit import HIDDEN
from wsgate.events.trouble import Trouble
from wsgate.net.resolver import set_requester
from wsgate.settings.model import Target, Token, UnixAddress
from wsgate.site.tokens.source import Local, NoTarget, Source, SourceError
from wsgate.site.tokens.values import Targets
from wsgate.wire.http import Refusal

MAX_TOKEN = 8 << 10  # characters: as long as a request's target may be
MAX_LOOKUPS = 64  # lookups of one source at once
_AT_ONCE = 4  # of those that check whether a token is still valid
_CHUNK = 256  # tokens that a thread looks up in one call

# The same for every token, so that clients cannot find out which tokens exist; the detail is only for the log
_FORBIDDEN = "no valid token"
_RETRY_AFTER = ((b"Retry-After", b"5"),)


class Lookups:
    """The lookups of a route's tokens. ``source`` comes from ``open_source``."""

    def __init__(self, route: str, token: Token, source: Source) -> None:
        self.revoke = token.revoke
        self._route = route
        self.settings = token
        self._source = source
        self._under_way = trio.CapacityLimiter(MAX_LOOKUPS)
        self._trouble = Trouble("token source broken", "token source well again", route=route)

    async def targets(self, value: str | None) -> Targets | Refusal:
        """Returns the targets of a token, or a refusal. The log never shows the token.

        value: the token; ``None`` if the client has sent none
        """
        if not value or len(value) > MAX_TOKEN:
            return Refusal(403, _FORBIDDEN, detail="no token" if not value else f"a token of {len(value)} characters")
        try:
            with trio.fail_after(self.settings.timeout):
                async with self._under_way:
                    set_requester(f"{self._route} (its tokens)")
                    found = await self._source.look_up(value)
        except NoTarget as reason:
            self._well()
            return Refusal(403, _FORBIDDEN, detail=str(reason))
        except SourceError as error:
            self._broken(str(error), error.trace)
            return Refusal(503, "targets cannot be looked up now: try again", _RETRY_AFTER, detail=str(error))
        except trio.TooSlowError:
            return Refusal(504, "the target could not be looked up in time", detail=self._silent())
        self._well()
        return found or Refusal(403, _FORBIDDEN, detail="the token leads nowhere")

    async def gone(self, tokens: Sequence[str]) -> set[str]:
        """Returns those of ``tokens`` that are not valid any more. If the source fails, the remaining tokens are not
        checked and count as valid."""
        source, gone = self._source, set[str]()
        try:
            if isinstance(source, Local):
                for first in range(0, len(tokens), _CHUNK):
                    with trio.fail_after(self.settings.timeout):
                        gone |= await source.missing(tokens[first : first + _CHUNK])
            else:
                await self._ask_each(source, tokens, gone)
        except SourceError as error:
            self._broken(str(error), error.trace)
        except trio.TooSlowError:
            self._silent()
        else:
            self._well()
        return gone

    def hide(self, text: str, target: Target, token: str) -> str:
        """Returns a text for the log about a target without the token, which may be the name of a socket."""
        return text.replace(token, HIDDEN) if isinstance(target.address, UnixAddress) else text

    def close(self) -> None:
        """Closes the source, because the settings do not have it any more; ``gone`` may still be called."""
        self._source.close()

    async def _ask_each(self, source: Source, tokens: Sequence[str], gone: set[str]) -> None:
        """Checks tokens, only a few at the same time, to leave the source to waiting clients."""
        failed: list[Exception] = []
        rest = iter(tokens)

        async def ask() -> None:
            for token in rest:
                try:
                    with trio.fail_after(self.settings.timeout):
                        if not await source.look_up(token):
                            gone.add(token)
                except NoTarget:
                    gone.add(token)
                except (SourceError, trio.TooSlowError) as error:
                    failed.append(error)
                if failed:
                    return

        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(ask)
        if failed:
            raise failed[0]

    def _silent(self) -> str:
        reason = f"the source did not answer within {self.settings.timeout:g} s"
        self._broken(reason, "")
        return reason

    def _broken(self, reason: str, trace: str) -> None:
        self._trouble.begin(reason, **({"traceback": trace} if trace else {}))

    def _well(self) -> None:
        self._trouble.end()
