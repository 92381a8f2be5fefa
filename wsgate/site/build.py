"""Builds the site from settings: the only place that loads and opens what they name.

A fault is reported in the draft at the setting that names the file, and everything else is tried too. So the start, a
reload and ``wsgate check`` report all faults at once.

Unchanged parts are the same objects as in the site before, and are not modified. So ``discard`` is enough to release a
site that is not used.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from wsgate.net.binds import overlap
from wsgate.net.target_rules import rules_of
from wsgate.settings.draft import Broken, Draft, is_whole
from wsgate.settings.model import (
    AUTH_KINDS,
    SOURCES,
    Acme,
    Admin,
    AdminToken,
    Auth,
    Files,
    Jwt,
    Limits,
    Listener,
    LogTo,
    LogToKind,
    Record,
    RedisUrl,
    Relay,
    RelayBackend,
    Route,
    Settings,
    Tls,
    Token,
    Tracing,
    Tunnel,
    UnixAddress,
    WebSocketUrl,
)
from wsgate.site.acme import acme_of, challenge_route
from wsgate.site.admin_token import AdminTokenError, load_admin_token
from wsgate.site.auth import MAKERS, live_auth
from wsgate.site.backend import LiveBackend
from wsgate.site.backend_file import BackendFileError, NothingListed, read_backend_file
from wsgate.site.build_tls import TlsBuilder
from wsgate.site.certificates import backend_key, listener_key
from wsgate.site.credential import Credential
from wsgate.site.field_changes import field_changes
from wsgate.site.listener import LiveListener
from wsgate.site.machine import cure_for_writing, directory_problem, is_installed
from wsgate.site.matching import Matcher
from wsgate.site.rewriting import Rewriter
from wsgate.site.route import LiveRoute
from wsgate.site.site import Site
from wsgate.site.sources import OpenError, later, look_at_files, open_lookups, tls_key
from wsgate.site.tokens.lookups import Lookups
from wsgate.site.tokens.opening import source_tls
from wsgate.site.upstream import Upstream

_EMPTY = Site(Settings(listeners=(), routes=()))
_OTEL = "opentelemetry.exporter.otlp.proto.http"

T = TypeVar("T")


def build(
    draft: Draft | Settings,
    previous: Site | None = None,
    *,
    patient: bool = False,
    sources: bool = True,
    starting: bool = False,
) -> Site:
    """Builds the site. Call it in a thread.

    draft: gets the faults, and a warning for each certificate that is out of date
    previous: the site before
    patient: for a worker that is replaced, or reloads what its parent has checked: it serves whatever can be served. A
        certificate that cannot be loaded stays as in ``previous``, a token source that cannot be opened is tried again
        later
    sources: whether to open token sources, which runs code of the operator and may connect
    starting: for the start of the gateway: a listener whose certificate does not exist yet is opened without it

    Raises ``ConfigError`` with all faults of the draft; nothing new is open then.
    """
    draft = draft if isinstance(draft, Draft) else Draft.of(draft)
    builder = _Builder(draft, previous or _EMPTY, patient=patient, sources=sources, starting=starting)
    try:
        builder.load()
        return builder.site(draft.finish())
    except BaseException:
        builder.close()
        raise


@contextlib.contextmanager
def tried_out(draft: Draft | Settings, previous: Site = _EMPTY, *, starting: bool = False) -> Iterator[Site]:
    """Builds the site, to see whether it can be built, and yields it, to be looked at; discards it afterwards.

    Only for a process that logs nothing else meanwhile: while it is built and discarded, the log is off. Raises
    ``ConfigError`` as ``build``.
    """
    with _without_log():
        site = build(draft, previous, starting=starting)
    try:
        yield site
    finally:
        with _without_log():
            discard(site, previous)


def try_out(draft: Draft | Settings, previous: Site = _EMPTY, *, starting: bool = False) -> None:
    """As ``tried_out``, for those who need no site."""
    with tried_out(draft, previous, starting=starting):
        pass


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    logger = logging.getLogger("wsgate")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def discard(site: Site, kept: Site) -> None:
    """Closes what belongs to ``site`` but not to ``kept``."""
    for lookups in _lookups(site) - _lookups(kept):
        lookups.close()
    for credential in _credentials(site) - _credentials(kept):
        credential.close()
    for backend in _backends(site) - _backends(kept):
        backend.idle.close()


def _backends(site: Site) -> set[LiveBackend[WebSocketUrl]]:
    return {backend for route in site.routes if route.upstream is not None for backend in route.upstream.backends}


def _lookups(site: Site) -> set[Lookups]:
    return {route.lookups for route in site.routes if route.lookups is not None}


def _credentials(site: Site) -> set[Credential]:
    return {credential for route in site.routes if route.auth is not None for _, credential in route.auth.kinds}


class _Builder:
    def __init__(self, draft: Draft, before: Site, *, patient: bool, sources: bool, starting: bool) -> None:
        self._draft = draft
        self._before = before
        self._secret = before.secret or os.urandom(32)
        self._patient = patient
        self._opens_sources = sources
        self._tls = TlsBuilder(draft, before.tls, patient=patient, starting=starting)
        self._known_lookups = {route.name: route.lookups for route in before.routes if route.lookups is not None}
        self._known_upstreams = {route.name: route.upstream for route in before.routes}
        self._lookups: dict[int, Lookups] = {}  # by the index of the route
        self._listed: dict[int, Sequence[RelayBackend]] = {}  # in files of backends, by the index of the route
        # By their settings: routes with the same ones share them
        self._credentials: dict[object, Credential] = {}
        self._credential_faults: dict[object, Sequence[tuple[str, str]]] = {}
        for known in before.routes:
            for kind, credential in () if known.auth is None else known.auth.kinds:
                self._credentials[getattr(known.settings.auth, kind)] = credential
        self._known_credentials = frozenset(self._credentials.values())

    def load(self) -> None:
        """Loads and opens everything that the draft names."""
        settings = self._draft.settings
        listeners = _entries(settings, "listeners", Listener)
        if not self._patient:
            self._check_binds(listeners)
        for index, listener in listeners:
            if isinstance(listener.tls, Tls) and is_whole(listener.tls):
                self._load_acme(listener.tls.acme, f"listeners[{index}].tls.acme")
                if not self._draft.is_wrong(f"listeners[{index}].tls.acme"):
                    self._tls.load_listener(listener, f"listeners[{index}].tls")
        limits = getattr(settings, "limits", None)
        if isinstance(limits, Limits) and isinstance(limits.shared, RedisUrl) and not is_installed("redis"):
            problem = "it needs redis-py, not installed here: pip install 'wsgate[redis]'"
            self._draft.fault("limits.shared", problem)
        if isinstance(getattr(settings, "tracing", None), Tracing) and not self._patient:
            self._check_tracing()
        to = getattr(getattr(settings, "log", None), "to", None)
        if isinstance(to, LogTo) and to.kind is LogToKind.FILE:
            self._check_log_file(to.path)
        for index, route in _entries(settings, "routes", Route):
            self._load_route(index, route, f"routes[{index}]")
        admin = getattr(settings, "admin", None)
        if isinstance(admin, Admin) and not self._patient:
            self._check_admin(admin, listeners)

    def close(self) -> None:
        """Closes what ``load`` has opened."""
        for credential in self._credentials.values():
            if credential not in self._known_credentials:
                credential.close()
        for lookups in self._lookups.values():
            if lookups not in self._known_lookups.values():
                lookups.close()

    def site(self, settings: Settings) -> Site:
        """Returns the site, after ``load`` has found no fault."""
        known = {route.settings: route for route in self._before.routes}
        unchanged = (known[route].settings if route in known else route for route in settings.routes)
        settings = replace(settings, routes=tuple(unchanged))
        routes = []
        for index, route in enumerate(settings.routes):
            old = known.get(route)
            stays = old is not None and old.lookups is self._lookups.get(index)
            routes.append(old if old is not None and stays else self._make_route(index, route))
        listeners = [self._make_listener(listener) for listener in settings.listeners]
        challenges = [challenge_route(acme) for acme in dict.fromkeys(acme_of(settings.listeners))]
        return Site(settings, routes, listeners, self._tls.live, self._tls.renewals, self._secret, challenges)

    # -- what is named ------------------------------------------------------------------------------------------------

    def _check_binds(self, listeners: Sequence[tuple[int, Listener]]) -> None:
        seen: list[tuple[int, Any]] = []
        for index, listener in listeners:
            if isinstance(listener.bind, Broken):
                continue
            for other, bind in seen:
                if why := overlap(listener.bind, bind):
                    cure = "remove one of them" if listener.bind == bind else "remove one of them, or change its port"
                    if isinstance(bind, UnixAddress):
                        cure = "remove one of them"
                    self._draft.fault(f"listeners[{index}].bind", f"listeners[{other}] {why}: {cure}")
                    break
            else:
                seen.append((index, listener.bind))

    def _load_acme(self, acme: Acme | None, path: str) -> None:
        if acme is None:
            return
        if not is_installed("acme"):
            self._draft.fault(path, "it needs the ACME client, not installed here: pip install 'wsgate[acme]'")
        self._check_directory(acme.store, f"{path}.store", os.W_OK)

    def _check_admin(self, admin: Admin, listeners: Sequence[tuple[int, Listener]]) -> None:
        if not isinstance(admin.bind, Broken):
            for index, listener in listeners:
                if not isinstance(listener.bind, Broken) and (why := overlap(admin.bind, listener.bind)):
                    self._draft.fault("admin.bind", f"listeners[{index}] {why}: write another port or path")
                    break
        if isinstance(admin.token, AdminToken) and isinstance(admin.token.file, str):
            try:
                load_admin_token(admin.token.file)
            except AdminTokenError as error:
                self._draft.fault("admin.token.file", str(error))

    def _load_route(self, index: int, route: Route, path: str) -> None:
        action = route.action
        if isinstance(action, Files):
            self._check_directory(action.root, f"{path}.files.root")
            self._check_fallback(action, f"{path}.files.fallback")
        elif isinstance(action, Relay):
            self._tls.load_backends(route, action.tls, f"{path}.relay.tls")
            if isinstance(action.to_file, str):
                self._load_backend_file(index, route.name, action.to_file, f"{path}.relay.to_file")
        elif isinstance(action, Tunnel):
            path_of_tunnel = f"{path}.tunnel"
            self._tls.load_backends(route, action.tls, f"{path_of_tunnel}.tls")
            if isinstance(action.record, Record):
                self._check_directory(action.record.directory, f"{path_of_tunnel}.record.directory", os.W_OK)
            if isinstance(action.token, Token) and self._opens_sources:
                self._load_lookups(index, route.name, action.token, f"{path_of_tunnel}.token")
        for kind in AUTH_KINDS if isinstance(route.auth, Auth) else ():
            settings = getattr(route.auth, kind)
            if settings is not None and is_whole(settings):
                self._load_credential(kind, settings, f"{path}.auth.{kind}")

    def _check_tracing(self) -> None:
        if not is_installed(_OTEL):
            problem = "it needs OpenTelemetry, not installed here: pip install 'wsgate[otel]'"
            self._draft.fault("tracing", problem)

    def _check_fallback(self, files: Files, path: str) -> None:
        if files.fallback is None or not is_whole((files.root, files.fallback)) or directory_problem(files.root):
            return
        file = files.root + files.fallback
        if not os.path.isfile(file):
            self._draft.fault(path, f"the file {file!r} does not exist: put it there, or name another one")

    def _load_lookups(self, index: int, name: str, token: Token, path: str) -> None:
        """Unchanged lookups stay, so that the tokens of their sessions are still checked."""
        known = self._known_lookups.get(name)
        if known is not None and known.settings == token:
            self._lookups[index] = known
            if not self._patient:
                self._draft.faults(path, look_at_files(token))
            self._warn_of_source(token, path)
            return
        for each in _whole_sources(token):
            try:
                opened = open_lookups(name, each)
            except OpenError as error:
                if self._patient:
                    self._lookups[index] = later(name, each, str(error))
                else:
                    self._draft.faults(path, error.faults)
            else:
                if index in self._lookups:  # several sources are a fault already: load only one of them
                    opened.close()
                else:
                    self._lookups[index] = opened
            self._warn_of_source(each, path)

    def _warn_of_source(self, token: Token, path: str) -> None:
        if (tls := source_tls(token)) is not None:
            self._tls.warn_of_dates(tls, f"{path}.{tls_key(token)}")

    def _load_backend_file(self, index: int, name: str, file: str, path: str) -> None:
        try:
            self._listed[index] = read_backend_file(file)
        except NothingListed as error:
            old = self._known_upstreams.get(name)
            if old is not None and old.relay.to_file == file and old.listed:
                consequence = "its backends stay as they were"
            else:
                consequence = "clients get 503 until it has backends, if there are none in to"
            self._draft.warn(path, f"{error}; {consequence}")
        except BackendFileError as error:
            if not self._patient:  # the watch of the file logs it
                self._draft.faults(path, (("", problem) for problem in error.problems))

    def _load_credential(self, kind: str, settings: Any, path: str) -> None:
        if settings not in self._credential_faults:
            made = MAKERS[kind](settings)
            self._credential_faults[settings] = made.load()
            if self._credentials.setdefault(settings, made) is not made:
                made.close()
        if not self._patient:
            self._draft.faults(path, self._credential_faults[settings])

    def _check_log_file(self, path: str) -> None:
        if self._patient:
            return
        if os.path.exists(path):
            if not os.access(path, os.W_OK, effective_ids=True) or os.path.isdir(path):
                self._draft.fault("log.to", f"{path!r} cannot be written to: {cure_for_writing(path)}")
        else:
            self._check_directory(os.path.dirname(path), "log.to", os.W_OK)

    def _check_directory(self, directory: Any, path: str, needs: int = os.X_OK) -> None:
        if isinstance(directory, str) and not self._patient and (problem := directory_problem(directory, needs)):
            self._draft.fault(path, problem)

    # -- what is made of it -------------------------------------------------------------------------------------------

    def _make_route(self, index: int, route: Route) -> LiveRoute:
        rewriter = Rewriter(route.match, route.action.rewrite if isinstance(route.action, Relay) else None)
        made = LiveRoute(route, Matcher(route.match), rewriter, lookups=self._lookups.get(index))
        key = backend_key(route)
        made.tls = None if key is None else self._tls.live[key]
        action = route.action
        if isinstance(action, Relay):
            previous = self._known_upstreams.get(route.name)
            made.upstream = Upstream(route.name, action, previous, self._secret, self._listed.get(index))
        elif isinstance(action, Tunnel):
            made.tunnels_to = tuple(LiveBackend(route.name, target) for target in action.to)
            made.rules = rules_of(action)
        made.auth = live_auth(route.auth, self._credentials)
        made.to_backend = field_changes(route.headers.to_backend)
        made.to_client = field_changes(route.headers.to_client)
        return made

    def _make_listener(self, listener: Listener) -> LiveListener:
        for old in self._before.listeners:
            if old.settings == listener:
                return old
        key = listener_key(listener)
        return LiveListener(listener, None if key is None else self._tls.live[key])


def _entries(settings: Any, attribute: str, kind: type[T]) -> list[tuple[int, T]]:
    """Returns the decoded elements of a list, with their index in the file."""
    elements = getattr(settings, attribute, ())
    elements = elements if isinstance(elements, tuple) else ()
    return [(index, element) for index, element in enumerate(elements) if isinstance(element, kind)]


def _whole_sources(token: Token) -> Iterator[Token]:
    """Yields a token for each source that can be opened: valid settings have one, faulty ones may name several.

    A broken value beside the source, its timeout for example, is replaced by its default.
    """
    named = {name: source for name in SOURCES if (source := getattr(token, name)) is not None}
    others: dict[str, Any] = dict.fromkeys(SOURCES)
    for field in fields(token):
        if field.name not in SOURCES and not is_whole(getattr(token, field.name)):
            others[field.name] = field.default
    for name, source in named.items():
        for each in _apart(source) if isinstance(source, Jwt) else (source,):
            if is_whole(each):
                yield replace(token, **{**others, name: each})


def _apart(jwt: Jwt) -> Iterator[Jwt]:
    if jwt.key is not None:
        yield replace(jwt, jwks=None)
    if jwt.jwks is not None:
        yield replace(jwt, key=None)
