"""Listening sockets: opened all together or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from wsgate.ops.address_owner import owner_of
from wsgate.settings.binds import overlap
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

T = TypeVar("T")

_LOCK_TRIES = 100


# The address of each that has one, as the system takes it
LookedUp = Mapping[TcpAddress, tuple[socket.AddressFamily, Any]]


class ListenError(Exception):
    """A listener cannot be opened; the message is one line that says which, why, and what to do.

    status: the exit status of a process that cannot begin without it (sysexits(3), or 1)
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Elsewhere(Protocol):
    """Does what may wait for the disk of a Unix socket's file, or raises ``OSError`` where that takes too long."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


def here(work: Callable[[], T], /) -> T:
    """In a process, or a thread, that may wait."""
    return work()


class _UnixListener(socket.socket):
    """A Unix socket whose file is ours to remove, unless it has become another's."""

    file: tuple[int, int] | None = None  # device and inode


def open_listeners(listeners: Sequence[Listener]) -> list[socket.socket]:
    """A listening socket for each. Raises ``ListenError``, with none left open."""
    return _all_or_none(_open, listeners)


def look_up(listeners: Sequence[Listener]) -> LookedUp:
    """Where their names lead: it may take as long as a name server takes. Raises ``ListenError``."""
    found: dict[TcpAddress, tuple[socket.AddressFamily, Any]] = {}
    for listener in listeners:
        if isinstance(listener.bind, TcpAddress):
            try:
                found[listener.bind] = _resolve(listener.bind)
            except OSError as error:
                raise ListenError(_explain(listener, error), _status(error)) from None
    return found


def reserve_listeners(
    listeners: Sequence[Listener], looked_up: LookedUp = MappingProxyType({}), elsewhere: Elsewhere = here
) -> list[socket.socket]:
    """For a process whose workers do the listening: a socket for each that they inherit, for ``open_reserved``.

    A TCP address is bound and not listened on, so that no connection comes here, nobody else gets the address, and port
    0 is one port for all workers. Unix sockets know no SO_REUSEPORT: this one is what all workers accept from. Raises
    ``ListenError``, with none left open.
    """
    return _all_or_none(partial(_reserve, looked_up, elsewhere), listeners, looked_up, elsewhere)


def open_reserved(listener: Listener, reserved: socket.socket) -> socket.socket:
    """A worker's own listening socket for what its parent has reserved. Raises ``ListenError``."""
    try:
        if reserved.family == socket.AF_UNIX:
            sock = socket.socket(fileno=os.dup(reserved.fileno()))  # a plain one: the file stays the parent's
            sock.setblocking(False)
            return sock
        sock = _bind(listener, reserved.family, reserved.getsockname(), shared=True)
        return _listen(sock, listener)
    except OSError as error:
        raise ListenError(_explain(listener, error), _status(error)) from None


def adjust(sock: socket.socket, listener: Listener) -> None:
    """Give an open socket what else its settings say of it: they have changed. Raises ``OSError``."""
    sock.listen(listener.backlog)
    if isinstance(listener.bind, UnixAddress) and listener.mode is not None:
        os.chmod(listener.bind.path, listener.mode)


def close_listeners(sockets: Sequence[socket.socket], elsewhere: Elsewhere = here) -> None:
    """Stop listening; a Unix socket's file goes with it, where this process made it, or its disk hangs."""
    for sock in sockets:
        if isinstance(sock, _UnixListener) and sock.file is not None:
            with contextlib.suppress(OSError):  # somebody was faster
                # first: what is closed and still there looks stale to the next process
                elsewhere(partial(_remove_file, sock.getsockname(), sock.file))
        sock.close()


def has_file(sock: socket.socket) -> bool:
    """Whether ``close_listeners`` has a file to remove, and so may wait for its disk."""
    return isinstance(sock, _UnixListener)


def _all_or_none(
    open_one: Callable[[Listener], socket.socket],
    listeners: Sequence[Listener],
    looked_up: LookedUp = MappingProxyType({}),
    elsewhere: Elsewhere = here,
) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for listener in listeners:
            opened.append(open_one(listener))
    except OSError as error:
        bound = [bound_address(sock) for sock in opened]
        close_listeners(opened, elsewhere)
        raise ListenError(_explain(listener, error, listeners, bound, looked_up), _status(error)) from None
    return opened


def _open(listener: Listener) -> socket.socket:
    if isinstance(listener.bind, UnixAddress):
        return _open_unix(listener.bind.path, listener, here)
    family, where = _resolve(listener.bind)
    return _listen(_bind(listener, family, where), listener)


def _reserve(looked_up: LookedUp, elsewhere: Elsewhere, listener: Listener) -> socket.socket:
    if isinstance(listener.bind, UnixAddress):
        return _open_unix(listener.bind.path, listener, elsewhere)
    family, where = looked_up.get(listener.bind) or _resolve(listener.bind)
    # Bound alone first: with SO_REUSEPORT the kernel would let us in beside another gateway of the same user
    sock = _bind(listener, family, where)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def _resolve(bind: TcpAddress) -> tuple[socket.AddressFamily, Any]:
    found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    return family, where


def _bind(listener: Listener, family: int, where: Any, *, shared: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # [::] takes IPv4 too, as in nginx's and HAProxy's documentation of "both"; any other address cannot
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if _is_any(listener.bind) else 1)
        sock.bind(where)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen(sock: socket.socket, listener: Listener) -> socket.socket:
    try:
        sock.listen(listener.backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _open_unix(path: str, listener: Listener, elsewhere: Elsewhere) -> socket.socket:
    sock = _UnixListener(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.file = elsewhere(partial(_bind_file, sock, path, listener.mode))
        sock.listen(listener.backlog)
    except BaseException:
        close_listeners([sock], elsewhere)
        raise
    return sock


def _bind_file(sock: socket.socket, path: str, mode: int | None) -> tuple[int, int]:
    with _locked(os.path.dirname(path)):
        _remove_stale(path)
        sock.bind(path)
        file = _file(path)
        try:
            if mode is not None:
                os.chmod(path, mode)  # nobody can connect before listen()
        except BaseException:
            _remove_file(path, file)
            raise
        return file


def _remove_file(path: str, file: tuple[int, int]) -> None:
    if file == _file(path):
        os.unlink(path)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Between looking at a stale socket and replacing it, no other gateway does the same (flock(2) on the directory).

    Where the directory cannot be read or another program keeps it locked, it goes without.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(PermissionError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            for _ in range(_LOCK_TRIES):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.01)  # the other needs microseconds
        yield


def _file(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _is_any(bind: Address) -> bool:
    """Whether a bind means every address of its family."""
    try:
        return isinstance(bind, TcpAddress) and ipaddress.ip_address(bind.host).is_unspecified
    except ValueError:
        return False


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is in the way; a live one is somebody's."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        probe.setblocking(False)  # a full backlog is EAGAIN, so alive
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:  # nobody listens, or the file is no socket at all
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket") from None
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explain(
    listener: Listener,
    error: OSError,
    listeners: Sequence[Listener] = (),
    bound: Sequence[Address] = (),
    looked_up: LookedUp = MappingProxyType({}),
) -> str:
    """``listeners``: all that were opened together, among which the fault may be; ``bound``: those that could be."""
    bind = listener.bind
    if error.errno == errno.EADDRINUSE:
        if isinstance(bind, TcpAddress) and _takes_both(bind, listeners):
            return (
                f"cannot listen on {bind}: [::]:{bind.port} takes IPv4 too; remove the listener on 0.0.0.0:{bind.port}"
            )
        where = _where(bind, looked_up)
        for other in bound:
            if why := overlap(where, other):
                return f"cannot listen on {bind}: another listener of this configuration {why}; remove one of them"
        owner = owner_of(where)
        if owner is not None:
            return f"cannot listen on {bind}: the address is in use by {owner}; stop that, or choose another bind"
        return f"cannot listen on {bind}: the address is in use; stop the program that has it, or choose another bind"
    if error.errno == errno.EACCES:
        return (
            f"cannot listen on {bind}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE "
            "(systemd: AmbientCapabilities=, containers: cap_add), a Unix socket a directory that can be written"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {bind}: this machine has no such address"
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"cannot listen on {bind}: the disk of its file hangs: {error}"
    return f"cannot listen on {bind}: {error.strerror or error}"


def _where(bind: Address, looked_up: LookedUp) -> Address:
    """With the IP address of a name, as it was bound."""
    if isinstance(bind, TcpAddress):
        with contextlib.suppress(OSError):
            _, where = looked_up.get(bind) or _resolve(bind)
            return TcpAddress(where[0], where[1])
    return bind


def _status(error: OSError) -> int:
    return os.EX_NOPERM if error.errno == errno.EACCES else 1


def _takes_both(bind: TcpAddress, listeners: Sequence[Listener]) -> bool:
    """Whether 0.0.0.0 and [::] are both among the listeners, with this port."""
    same_port = [
        other.bind for other in listeners if isinstance(other.bind, TcpAddress) and other.bind.port == bind.port
    ]
    return _is_any(bind) and len({":" in other.host for other in same_port if _is_any(other)}) == 2


def bound_address(listener: socket.socket) -> Address:
    """Where a socket really listens: with the port that the kernel picked for port 0."""
    name = listener.getsockname()
    return UnixAddress(name) if listener.family is socket.AF_UNIX else TcpAddress(name[0], name[1])
