"""Looking a token up for a client who waits, whatever its source does.

Each lookup has a deadline, in which its wait for others is counted: only so many are under way at once, so a source
that hangs holds up the clients of its own route and nobody else. That it is broken is logged when it breaks and when it
is well again, not for every client.
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
UNDER_WAY = 64  # lookups of one source at once
_AT_ONCE = 4  # of those that only see whether a token still leads somewhere
_CHUNK = 256  # tokens that a thread looks up in one go

# A stranger learns nothing of which tokens there are: the detail is for the log alone
_FORBIDDEN = "no valid token"
_RETRY_AFTER = ((b"Retry-After", b"5"),)


class Lookups:
    """A route's. ``source`` comes from ``open_source``."""

    def __init__(self, route: str, token: Token, source: Source) -> None:
        self.revoke = token.revoke
        self._route = route
        self.settings = token
        self._source = source
        self._under_way = trio.CapacityLimiter(UNDER_WAY)
        self._trouble = Trouble("token source broken", "token source well again", route=route)

    async def targets(self, value: str | None) -> Targets | Refusal:
        """Where a token leads; ``None`` where the client has shown none. The log never learns the token."""
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
        """Those of ``tokens`` that lead nowhere now. A source that is broken or silent is asked no further, and says
        of none that it is gone that it has not been asked about."""
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
        """A text for the log about a target, without the token: a socket may have it for its name."""
        return text.replace(token, HIDDEN) if isinstance(target.address, UnixAddress) else text

    def close(self) -> None:
        """The settings have no such lookups any more; sessions may still ask whether their tokens are ``gone``."""
        self._source.close()

    async def _ask_each(self, source: Source, tokens: Sequence[str], gone: set[str]) -> None:
        """A few at a time: what is left of the source is for the clients who wait."""
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
        self._trouble.begin(reason, **({"trace": trace} if trace else {}))

    def _well(self) -> None:
        self._trouble.end()
