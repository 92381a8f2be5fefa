"""Sessions whose token leads nowhere any more are told so, and end.

Every two seconds the tokens of the sessions that are there are looked up again, those of each source side by side with
the others'. A file that is being written is empty for a moment, so a token is gone when two looks in a row have not
found it; a source that does not answer says nothing. Where there are so many tokens that a look takes long, the next
one comes later: looking takes a tenth of the time at most.
"""

from __future__ import annotations

import trio

from wsgate.relay.registry import Registry
from wsgate.relay.session import Session
from wsgate.site.tokens.lookups import Lookups

INTERVAL = 2.0  # seconds between two looks
_SHARE = 10  # a look takes one part in so many of the time
CODE, REASON = 1008, b"token revoked"  # RFC 6455 §7.4.1: policy violation


async def watch(sessions: Registry) -> None:
    """Look, and end sessions, until cancelled."""
    async with trio.open_nursery() as nursery:
        watched: set[Lookups] = set()
        while True:
            for lookups in {lookups for lookups, _ in _tokens(sessions).values() if lookups.revoke} - watched:
                watched.add(lookups)
                nursery.start_soon(_watch, sessions, lookups, watched)
            await trio.sleep(INTERVAL)


async def _watch(sessions: Registry, lookups: Lookups, watched: set[Lookups]) -> None:
    """The tokens of one source, as long as there are sessions by it."""
    suspects: set[str] = set()
    while tokens := {token for source, token in _tokens(sessions).values() if source is lookups}:
        began = trio.current_time()
        gone = await lookups.gone(sorted(tokens))
        revoked, suspects = gone & suspects, gone - suspects
        if revoked:
            for session, (source, token) in _tokens(sessions).items():
                if source is lookups and token in revoked:
                    session.revoke(CODE, REASON)
        await trio.sleep(max(INTERVAL, (trio.current_time() - began) * (_SHARE - 1)))
    watched.discard(lookups)


def _tokens(sessions: Registry) -> dict[Session, tuple[Lookups, str]]:
    """Of the sessions that are open those that came by a token: where it is looked up, and the token."""
    return {session: session.token for session in sessions if session.token is not None}
