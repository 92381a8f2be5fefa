"""Ends sessions whose token is no longer valid.

Every two seconds the tokens of open sessions are looked up again, for all sources in parallel. A token counts as gone
only after two checks in a row, because a file is empty for a moment while it is written. A source that does not answer
changes nothing. If a check takes long because of many tokens, the next one is later: checks take at most a tenth of the
time.
"""

from __future__ import annotations

import trio

from wsgate.relay.registry import Registry
from wsgate.relay.session import Session
from wsgate.site.tokens.lookups import Lookups

INTERVAL = 2.0  # seconds between two checks
_SHARE = 10  # checks take at most 1/10 of the time
CODE, REASON = 1008, b"token revoked"  # RFC 6455 §7.4.1: policy violation


async def watch(sessions: Registry) -> None:
    """Checks tokens and ends sessions, until cancelled."""
    async with trio.open_nursery() as nursery:
        watched: set[Lookups] = set()
        while True:
            for lookups in {lookups for lookups, _ in _tokens(sessions).values() if lookups.revoke} - watched:
                watched.add(lookups)
                nursery.start_soon(_watch, sessions, lookups, watched)
            await trio.sleep(INTERVAL)


async def _watch(sessions: Registry, lookups: Lookups, watched: set[Lookups]) -> None:
    """Checks the tokens of one source while it has sessions."""
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
    """Returns the open sessions that have a token, each with the token's source and the token."""
    return {session: session.token for session in sessions if session.token is not None}
