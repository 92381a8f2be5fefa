"""The certificates of the running process, and the files that they come from.

Files change while the gateway runs: a renewal, a Kubernetes secret whose symbolic link is swapped. ``watch`` sees that,
and new handshakes get the new certificate; established sessions notice nothing. A renewal is rarely one step, so what
cannot be loaded is tried again: what was there stays in use, and a fault that lasts is logged, once.

A reload of the settings loads all that they name first, with ``load``, and puts it in the old one's place with
``adopt``, in one step.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

import trio

from wsgate.disk.threads import in_thread, threads
from wsgate.events.emit import emit
from wsgate.gate.gateway import Entrance, Gateway
from wsgate.settings.model import BackendTls, Files, Listener, Relay, Route, Scheme, Settings, Tls, Tunnel
from wsgate.settings.tls import check_backend_tls, check_listener_tls, outdated
from wsgate.settings.tls_context import (
    ALPN,
    backend_context,
    certificates,
    files,
    listener_context,
    read_certificate,
    read_file,
)
from wsgate.settings.x509 import X509, read_pem

INTERVAL = 5.0  # seconds between two looks at the files: a stat(2) of each
DISK_TIME = 5.0  # seconds that a look waits for a disk
WARN_BEFORE = 14 * 86400.0  # seconds
WARN_EVERY = 86400.0  # seconds

# What one context is made from: a listener's settings, or a route's and the protocols that its backends are offered
Key = tuple[Tls | BackendTls, tuple[str, ...]]
Stamp = tuple[tuple[object, ...], ...]


class CertificateError(Exception):
    """Certificates, keys or CAs that cannot be used; each message is one line that says which, why, and what to do."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(messages)
        self.messages = tuple(messages)

    def __str__(self) -> str:
        return "\n".join(self.messages)


@dataclass(slots=True)
class Loaded:
    """What came from the files of one key.

    own: the gateway's certificates, by file
    trusted: of the CAs in a file, the one that expires last
    stamp: changes when one of the files does
    faults: why the last attempt to load them anew failed; empty where it did not
    logged: the faults that were logged
    """

    context: ssl.SSLContext
    own: dict[str, X509]
    stamp: Stamp
    faults: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    trusted: dict[str, X509] = field(default_factory=dict)

    def is_valid(self, now: float) -> bool:
        """Whether all that it has is valid, in seconds since the epoch."""
        return all(one.not_before <= now <= one.not_after for one in self.dated.values())

    @property
    def dated(self) -> dict[str, X509]:
        """All that expires, by file."""
        return {**self.trusted, **self.own}


@dataclass(frozen=True, slots=True)
class Contexts:
    """Every TLS context that some settings need.

    backends: by the name of their route, for the routes that have backends behind TLS
    """

    backends: dict[str, ssl.SSLContext]
    loaded: dict[Key, Loaded]

    def entrance(self, listener: Listener) -> Entrance:
        """The entrance for one of the listeners of these settings."""
        key = _listener_key(listener)
        return Entrance(listener, None if key is None else self.loaded[key].context)


class Certificates:
    """``entrances`` are all through which connections may come. They may change, and so may the gateway's settings."""

    def __init__(self, gateway: Gateway, entrances: Iterable[Entrance], now: Callable[[], float] = time.time) -> None:
        self._gateway = gateway
        self._entrances = entrances
        self._now = now
        self._loaded: dict[Key, Loaded] = {}
        self._warned: dict[str, float] = {}  # when, in trio seconds, by file
        self._unverified: set[str] = set()  # routes

    @property
    def loaded(self) -> dict[Key, Loaded]:
        """What is in use now, for the next ``load``."""
        return dict(self._loaded)

    @staticmethod
    def load(settings: Settings, known: Mapping[Key, Loaded] = MappingProxyType({}), *, keep: bool = False) -> Contexts:
        """Read every file that these settings name. Slow: not for the event loop. Raises ``CertificateError``.

        What is ``known`` and has not changed since stays as it is, so that tickets that were given out with it hold;
        with ``keep`` also what has changed and cannot be loaded now.
        """
        listeners = map(_listener_key, settings.listeners)
        by_route = {route.name: key for route in settings.routes if (key := _route_key(route)) is not None}
        loaded: dict[Key, Loaded] = {}
        faults: list[str] = []
        for key in dict.fromkeys((*listeners, *by_route.values())):
            if key is not None:
                try:
                    loaded[key] = load_new(key, known.get(key))
                except CertificateError as error:
                    if keep and key in known:
                        loaded[key] = known[key]  # ``watch`` says so, if it lasts
                    else:
                        faults += error.messages
        if faults:
            raise CertificateError(faults)
        return Contexts({name: loaded[key].context for name, key in by_route.items()}, loaded)

    def adopt(self, contexts: Contexts) -> None:
        """Use and watch these from now on. They belong to the gateway's settings, and the entrances have theirs."""
        before, self._loaded = self._loaded, contexts.loaded
        self._gateway.backend_tls = contexts.backends
        for key, loaded in self._loaded.items():
            if key in before and before[key].own != loaded.own:
                self._log_loaded(key, loaded)
        self._warn_of_unverified()

    async def watch(self) -> None:
        """Look at the files every few seconds, until cancelled."""
        while True:
            await self.look()
            await trio.sleep(INTERVAL)

    async def look(self) -> None:
        """Load what has changed or could not be loaded the last time; warn of what will expire."""
        for key, loaded in list(self._loaded.items()):
            await self._look_at(key, loaded)
        self._warn_of_expiry()

    def expires_in(self, now: float) -> dict[str, float]:
        """Seconds from ``now`` (since the epoch) until each certificate expires, by its file; negative once it has."""
        return {file: own.not_after - now for loaded in self._loaded.values() for file, own in loaded.own.items()}

    async def _look_at(self, key: Key, loaded: Loaded) -> None:
        # In a thread: a disk may be slow, or a network behind it. Whoever stops the process does not wait for that, and
        # one that hangs keeps nobody from another disk's certificates.
        directory = os.path.dirname(next(iter(files(key[0])), ""))
        limiter = threads("certificates", directory, 1)
        hung = (f"the disk of {directory} did not answer within {DISK_TIME:g} s",)
        if not limiter.available_tokens:  # since an earlier look
            self._note(key, loaded, hung)
            return
        try:
            found = await in_thread(limiter, DISK_TIME, partial(_load_changed, key, loaded, self._now()))
        except CertificateError as error:
            self._note(key, loaded, error.messages)
            return
        except trio.TooSlowError:
            self._note(key, loaded, hung)
            return
        if found is None or self._loaded.get(key) is not loaded:  # a reload was faster
            return
        self._loaded[key] = found
        self._install(key, found)
        if loaded.logged:  # whoever was told of the fault is told of its end
            self._log_loaded(key, found, logging.WARNING)
        elif found.own != loaded.own:
            self._log_loaded(key, found)

    def _note(self, key: Key, loaded: Loaded, faults: tuple[str, ...]) -> None:
        """Log what has lasted from one look to the next: a certificate that is written before its key is no fault."""
        if faults == loaded.faults and faults != loaded.logged:
            loaded.logged = faults
            emit(
                logging.ERROR,
                "certificate not loaded",
                **self._users(key),
                error="; ".join(faults),
                consequence="what was loaded before stays in use",
            )
        loaded.faults = faults

    def _install(self, key: Key, loaded: Loaded) -> None:
        """For the next handshakes of whoever has these settings now."""
        for entrance in self._entrances:
            if _listener_key(entrance.listener) == key:
                entrance.context = loaded.context
        for route in self._gateway.settings.routes:
            if _route_key(route) == key:
                self._gateway.backend_tls[route.name] = loaded.context

    def _log_loaded(self, key: Key, loaded: Loaded, level: int = logging.INFO) -> None:
        expires = [_iso(own.not_after) for own in loaded.own.values()]
        emit(level, "certificate loaded", **self._users(key), files=list(loaded.own), expires=expires)

    def _users(self, key: Key) -> dict[str, list[str]]:
        """Whom it concerns, as fields of a log line."""
        listeners = [str(e.listener.bind) for e in self._entrances if _listener_key(e.listener) == key]
        routes = [route.name for route in self._gateway.settings.routes if _route_key(route) == key]
        return {"listeners": listeners} if listeners else {"routes": routes}

    def _warn_of_expiry(self) -> None:
        now = self._now()
        dated = {file: one for loaded in self._loaded.values() for file, one in loaded.dated.items()}
        for file, one in dated.items():
            left = one.not_after - now
            if left > WARN_BEFORE and one.not_before <= now:
                self._warned.pop(file, None)
            elif trio.current_time() >= self._warned.get(file, -WARN_EVERY) + WARN_EVERY:
                self._warned[file] = trio.current_time()
                days = round(left / 86400, 1)
                if one.not_before > now:
                    cure = "is this machine's clock right?"
                    emit(logging.ERROR, "certificate not valid yet", file=file, at=_iso(one.not_before), cure=cure)
                elif left > 0:
                    emit(logging.WARNING, "certificate expires", file=file, at=_iso(one.not_after), days=days)
                else:
                    cure = "renew it: it is taken into use without a restart; until then others refuse it"
                    emit(logging.ERROR, "certificate expired", file=file, at=_iso(one.not_after), days=days, cure=cure)

    def _warn_of_unverified(self) -> None:
        keys = {route.name: _route_key(route) for route in self._gateway.settings.routes}
        unverified = {
            name for name, key in keys.items() if key and isinstance(key[0], BackendTls) and not key[0].verify
        }
        for name in sorted(unverified - self._unverified):
            reason = "tls.verify is false: whoever is on the way to them can read and change everything"
            emit(logging.WARNING, "backends not verified", route=name, reason=reason)
        self._unverified = unverified


def _listener_key(listener: Listener) -> Key | None:
    return None if listener.tls is None else (listener.tls, ALPN)


def _route_key(route: Route) -> Key | None:
    action = route.action
    if isinstance(action, Files) or not (any(target.tls for target in action.to) or _may_speak_tls(action)):
        return None
    return action.tls, ALPN if isinstance(action, Relay) else ()


def _may_speak_tls(action: Relay | Tunnel) -> bool:
    """Whether targets that are known only when somebody asks for them can be behind TLS; a token's may say so."""
    if isinstance(action, Relay):
        return False
    return action.token is not None or (action.target is not None and action.target.scheme is Scheme.TLS)


def load_one(key: Key) -> Loaded:
    """Read the files of one key. Raises ``CertificateError``."""
    tls, alpn = key
    stamp = _stamp(key)  # before the files are read: what changes meanwhile is seen at the next look
    faults = check_listener_tls(tls) if isinstance(tls, Tls) else check_backend_tls(tls)
    if faults:
        raise CertificateError([message for _, message in faults])
    try:
        context = listener_context(tls) if isinstance(tls, Tls) else backend_context(tls, alpn)
        own = {str(one.certificate): read_certificate(one) for _, one in certificates(tls)}
        ca = tls.client_ca if isinstance(tls, Tls) else tls.ca
        trusted = {} if ca is None else {ca: max(read_pem(read_file(ca)), key=lambda one: one.not_after)}
    except (OSError, ValueError) as error:  # it has changed since it was checked
        raise CertificateError([str(error)]) from None
    return Loaded(context, own, stamp, trusted=trusted)


def load_new(key: Key, known: Loaded | None) -> Loaded:
    """What the files of a key have now, unless that is known, or better. Raises ``CertificateError``."""
    if known is None:
        return load_one(key)
    if is_fresh(key, known):
        return known
    found = load_one(key)
    return known if _is_older(found, known, time.time()) else found


def _is_older(found: Loaded, known: Loaded, now: float) -> bool:
    """Whether what was found is no renewal: it is not valid, and what is known is."""
    return not found.is_valid(now) and known.is_valid(now)


def _load_changed(key: Key, loaded: Loaded, now: float) -> Loaded | None:
    """What is there now, where that is another than ``loaded``. Raises ``CertificateError``."""
    if _stamp(key) == loaded.stamp and not loaded.faults:
        return None
    found = load_one(key)
    if _is_older(found, loaded, now):
        raise CertificateError([message for _, message in outdated(key[0])])
    return found


def is_fresh(key: Key, loaded: Loaded) -> bool:
    """Whether its files are those from which it came. The system's CAs are no files of ours: they are read again."""
    return bool(files(key[0])) and not loaded.faults and _stamp(key) == loaded.stamp


def _stamp(key: Key) -> Stamp:
    return tuple(map(_stamp_of, files(key[0])))


def _stamp_of(file: str) -> tuple[object, ...]:
    """What changes with a file, and with a symbolic link on the way to it."""
    try:
        found = os.stat(file)
    except OSError as error:
        return (error.errno,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
