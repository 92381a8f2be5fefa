"""Ends sessions whose credential is taken back: its file or list does not have it any more.

Every two seconds the file of each credential is looked at. While it does not change, nothing is done for a session but
its one look-up after it has begun: the file may have changed between. A credential counts as gone only after two looks
in a row, because a file is empty for a moment while it is written. A file that cannot be read changes nothing.

What counts is the route as it is now: a reload may have changed its list. A route that asks for nothing any more, and
kinds that were added since, end no session. If the route itself is gone, what it had last counts.

Credentials that expire are no matter of this file: a session knows its own end (``relay.timers``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from wsgate.gate.auth.identity import Admitted
from wsgate.relay.session import Session
from wsgate.settings.model import Require
from wsgate.site.auth import LiveAuth
from wsgate.site.credential import ANYTHING, Credential
from wsgate.site.route import LiveRoute
from wsgate.site.tokens.source import SourceError

INTERVAL = 2.0  # seconds between two looks
PATIENCE = 5.0  # seconds for one look at one file
CODE = 1008  # RFC 6455 §7.4.1: policy violation
REASON = b"credential revoked"
_STEP = 256  # sessions that are looked at, or ended, before others get a turn

_Present = Mapping[str, Container[object]]  # what is valid now, by kind


@dataclass(slots=True, eq=False)
class _Group:
    """The sessions of one route.

    unseen: those that have not been looked up yet
    suspects: those whose credential was not there at the last look
    present: by what all others were looked up last
    """

    route: LiveRoute
    sessions: dict[Session, Admitted] = field(default_factory=dict)
    unseen: set[Session] = field(default_factory=set)
    suspects: set[Session] = field(default_factory=set)
    present: _Present = field(default_factory=dict)


class Admissions:
    """The open sessions whose credentials may be taken back."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}  # by the route's name

    def add(self, session: Session, route: LiveRoute, admitted: Admitted) -> None:
        """A session has begun. ``route``: its own"""
        if not any([identity.entry is not None for _, identity in admitted.identities]):
            return
        group = self._groups.get(route.name)
        if group is None:
            group = self._groups[route.name] = _Group(route)
        group.sessions[session] = admitted
        group.unseen.add(session)

    def remove(self, session: Session) -> None:
        """A session has ended."""
        group = self._groups.get(session.info.route)
        if group is not None and group.sessions.pop(session, None) is not None:
            group.unseen.discard(session)
            group.suspects.discard(session)
            if not group.sessions:
                del self._groups[session.info.route]

    async def watch(self, routes: Callable[[], Sequence[LiveRoute]]) -> None:
        """Ends sessions until cancelled. ``routes``: returns those of the present site"""
        while True:
            await trio.sleep(INTERVAL)
            await self._look(routes())

    async def _look(self, routes: Iterable[LiveRoute]) -> None:
        """Looks whether credentials are gone."""
        if not self._groups:
            return
        by_name = {route.name: route for route in routes}
        groups = list(self._groups.values())
        for group in groups:
            group.route = by_name.get(group.route.name, group.route)
        asked = {each for group in groups if group.route.auth is not None for _, each in group.route.auth.kinds}
        answers: dict[Credential, Container[object]] = {}
        async with trio.open_nursery() as nursery:
            for credential in asked:
                nursery.start_soon(_ask, credential, answers)
        for group in groups:
            if group.route.auth is not None:
                await _look_up(group, group.route.auth, answers)


async def _ask(credential: Credential, answers: dict[Credential, Container[object]]) -> None:
    with trio.move_on_after(PATIENCE):
        try:
            answers[credential] = await credential.present()
        except SourceError:
            return  # clients that come now are told, and the log


async def _look_up(group: _Group, auth: LiveAuth, answers: Mapping[Credential, Container[object]]) -> None:
    """Looks up the sessions for which something may have changed, and ends those that are gone for the second time."""
    present = {kind: answers.get(credential, ANYTHING) for kind, credential in auth.kinds}
    has_changed = present.keys() != group.present.keys() or any(
        present[kind] is not group.present[kind] for kind in present
    )
    looked_up: Collection[Session] = list(group.sessions) if has_changed else [*group.unseen, *group.suspects]
    group.present, group.unseen = present, set()
    gone: list[Session] = []
    for number, session in enumerate(looked_up):
        if number % _STEP == _STEP - 1:
            await trio.lowlevel.checkpoint()
        admitted = group.sessions.get(session)
        if admitted is not None and not _is_valid(auth.settings.require, present, admitted):
            gone.append(session)
    revoked = [session for session in gone if session in group.suspects]
    group.suspects = {session for session in gone if session in group.sessions}.difference(revoked)
    for number, session in enumerate(revoked):
        if number % _STEP == _STEP - 1:
            await trio.lowlevel.checkpoint()
        session.revoke(CODE, REASON, "its client's credential is not in its file or list any more")


def _is_valid(require: Require, present: _Present, admitted: Admitted) -> bool:
    """Whether what a client has shown would still do. Kinds that are not asked for any more do not count, if others
    are left."""
    held = [
        identity.entry is None or identity.entry in present[kind]
        for kind, identity in admitted.identities
        if kind in present
    ]
    return bool(held) and (any(held) if require is Require.ANY else all(held))
