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

from wsgate.net.binds import bound_address, overlap
from wsgate.ops.address_owner import owner_of
from wsgate.ops.inherited import InheritedSockets, is_listening
from wsgate.settings.model import Address, Listener, TcpAddress, UnixAddress

T = TypeVar("T")

_LOCK_TRIES = 100
_NONE = InheritedSockets()

# The resolved addresses of listeners, in the form for socket.bind
LookedUp = Mapping[TcpAddress, tuple[socket.AddressFamily, Any]]


class ListenError(Exception):
    """A listener cannot be opened; the message says in one line which, why, and what to do.

    status: the exit status for a process that cannot start without it (sysexits(3), or 1)
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class BlockingCall(Protocol):
    """Calls ``work``, which may wait for the disk of a Unix socket's file. Raises ``OSError`` when it takes too
    long."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


def call_directly(work: Callable[[], T], /) -> T:
    """Calls ``work`` directly: for a process or a thread that may wait."""
    return work()


class _UnixListener(socket.socket):
    """A Unix socket with a file that this process removes, unless another process has replaced it."""

    file: tuple[int, int] | None = None  # device and inode


def open_listeners(listeners: Sequence[Listener], inherited: InheritedSockets = _NONE) -> list[socket.socket]:
    """Opens a listening socket for each, or takes the inherited one with its address.

    Raises ``ListenError`` when one fails; none is open then.
    """
    return _all_or_none(partial(_open, inherited), listeners, inherited=inherited)


def look_up(listeners: Sequence[Listener]) -> LookedUp:
    """Resolves the names of listeners, which may take long. Raises ``ListenError`` when one does not resolve."""
    found: dict[TcpAddress, tuple[socket.AddressFamily, Any]] = {}
    for listener in listeners:
        if isinstance(listener.bind, TcpAddress):
            try:
                found[listener.bind] = _resolve(listener.bind)
            except OSError as error:
                raise ListenError(_explain(listener, error), _status(error)) from None
    return found


def reserve_listeners(
    listeners: Sequence[Listener],
    looked_up: LookedUp = MappingProxyType({}),
    call_blocking: BlockingCall = call_directly,
    inherited: InheritedSockets = _NONE,
) -> list[socket.socket]:
    """Reserves the addresses in the parent of workers: returns a socket for each, which the workers inherit.

    A TCP address is bound without listening. So no connection comes to the parent, no other process gets the address,
    and port 0 is the same port for all workers. Unix sockets have no SO_REUSEPORT, and an inherited socket listens
    already, so all workers accept from the parent's socket. A worker calls ``open_reserved``.

    call_blocking: calls what may wait for a disk

    Raises ``ListenError`` when one fails; none is open then.
    """
    reserve = partial(_reserve, inherited, looked_up, call_blocking)
    return _all_or_none(reserve, listeners, looked_up, call_blocking, inherited)


def open_reserved(listener: Listener, reserved: socket.socket) -> socket.socket:
    """Returns a worker's own listening socket for an address that its parent reserved.

    Raises ``ListenError`` when that fails.
    """
    try:
        if reserved.family == socket.AF_UNIX or is_listening(reserved):
            sock = socket.socket(fileno=os.dup(reserved.fileno()))  # a plain socket: the parent removes the file
            sock.setblocking(False)
            return sock
        sock = _bind(listener, reserved.family, reserved.getsockname(), shared=True)
        return _listen(sock, listener)
    except OSError as error:
        raise ListenError(_explain(listener, error), _status(error)) from None


def adjust(sock: socket.socket, listener: Listener) -> None:
    """Applies changed settings to an open socket: backlog and mode. Raises ``OSError`` when that fails."""
    sock.listen(listener.backlog)
    if isinstance(listener.bind, UnixAddress) and listener.mode is not None:
        os.chmod(listener.bind.path, listener.mode)


def close_listeners(sockets: Sequence[socket.socket], call_blocking: BlockingCall = call_directly) -> None:
    """Closes listening sockets, and removes the files of Unix sockets that this process made."""
    for sock in sockets:
        if isinstance(sock, _UnixListener) and sock.file is not None:
            with contextlib.suppress(OSError):  # it is gone already, or its disk hangs
                # before the close: the file of a closed socket looks stale to the next process
                call_blocking(partial(_remove_file, sock.getsockname(), sock.file))
        sock.close()


def has_file(sock: socket.socket) -> bool:
    """Whether ``close_listeners`` has to remove a file, which may wait for its disk."""
    return isinstance(sock, _UnixListener)


def _all_or_none(
    open_one: Callable[[Listener], socket.socket],
    listeners: Sequence[Listener],
    looked_up: LookedUp = MappingProxyType({}),
    call_blocking: BlockingCall = call_directly,
    inherited: InheritedSockets = _NONE,
) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for listener in listeners:
            opened.append(open_one(listener))
    except OSError as error:
        bound = [bound_address(sock) for sock in opened]
        close_listeners(opened, call_blocking)
        raise ListenError(_explain(listener, error, listeners, bound, looked_up, inherited), _status(error)) from None
    return opened


def _open(inherited: InheritedSockets, listener: Listener) -> socket.socket:
    if isinstance(listener.bind, UnixAddress):
        return _take(inherited, listener.bind, listener) or _open_unix(listener.bind.path, listener, call_directly)
    family, where = _resolve(listener.bind)
    taken = _take(inherited, TcpAddress(where[0], where[1]), listener)
    return taken or _listen(_bind(listener, family, where), listener)


def _reserve(
    inherited: InheritedSockets, looked_up: LookedUp, call_blocking: BlockingCall, listener: Listener
) -> socket.socket:
    if isinstance(listener.bind, UnixAddress):
        return _take(inherited, listener.bind, listener) or _open_unix(listener.bind.path, listener, call_blocking)
    family, where = looked_up.get(listener.bind) or _resolve(listener.bind)
    taken = _take(inherited, TcpAddress(where[0], where[1]), listener)
    if taken is not None:
        return taken
    # First bound without SO_REUSEPORT: with it the kernel would also allow it beside another gateway of the same user
    sock = _bind(listener, family, where)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def _take(inherited: InheritedSockets, address: Address, listener: Listener) -> socket.socket | None:
    sock = inherited.take(address)
    return None if sock is None else _listen(sock, listener)  # with its own backlog


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
            # [::] accepts IPv4 too; other IPv6 addresses cannot
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


def _open_unix(path: str, listener: Listener, call_blocking: BlockingCall) -> socket.socket:
    sock = _UnixListener(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.file = call_blocking(partial(_bind_file, sock, path, listener.mode))
        sock.listen(listener.backlog)
    except BaseException:
        close_listeners([sock], call_blocking)
        raise
    return sock


def _bind_file(sock: socket.socket, path: str, mode: int | None) -> tuple[int, int]:
    with _locked(os.path.dirname(path)):
        _remove_stale(path)
        sock.bind(path)
        file = _file(path)
        try:
            if mode is not None:
                os.chmod(path, mode)  # in time: no client can connect before listen()
        except BaseException:
            _remove_file(path, file)
            raise
        return file


def _remove_file(path: str, file: tuple[int, int]) -> None:
    if file == _file(path):
        os.unlink(path)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Locks the directory by flock(2), so that two gateways do not replace a stale socket at the same time.

    If the directory cannot be read, or another program keeps it locked, the block runs without the lock.
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
                    time.sleep(0.01)  # another gateway needs only microseconds
        yield


def _file(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _is_any(bind: Address) -> bool:
    """Whether a bind is for every address of its family."""
    try:
        return isinstance(bind, TcpAddress) and ipaddress.ip_address(bind.host).is_unspecified
    except ValueError:
        return False


def _remove_stale(path: str) -> None:
    """Removes a socket's file if no process listens on it. Raises ``OSError`` when the path is in use."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        probe.setblocking(False)  # EAGAIN is a full backlog, so a process listens
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:  # no process listens, or the file is no socket
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket") from None
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


# What prevents the file of a Unix socket, by the error of its directory
_CURES_OF_DIRECTORY = {
    errno.EACCES: (
        "not permitted: let the user that runs wsgate write to the directory {!r}; a socket that is there must be "
        "that user's own"
    ),
    errno.ENOENT: "the directory {!r} does not exist: make it (systemd: RuntimeDirectory=)",
    errno.ENOTDIR: "the directory {!r} is none: name another one",
    errno.EROFS: "the file system of the directory {!r} is read-only: mount a volume there, or name another one",
}


def _explain(
    listener: Listener,
    error: OSError,
    listeners: Sequence[Listener] = (),
    bound: Sequence[Address] = (),
    looked_up: LookedUp = MappingProxyType({}),
    inherited: InheritedSockets = _NONE,
) -> str:
    """Returns the message for an error.

    listeners: all that were to be opened together
    bound: the addresses of those that were opened
    """
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
        for other in inherited.addresses:
            if overlap(where, other):
                return f"cannot listen on {bind}: the service manager has opened {other}; make both the same address"
        owner = owner_of(where)
        if owner is not None:
            return f"cannot listen on {bind}: the address is in use by {owner}; stop that, or choose another bind"
        return f"cannot listen on {bind}: the address is in use; stop the program that has it, or choose another bind"
    if isinstance(bind, UnixAddress) and (cure := _CURES_OF_DIRECTORY.get(error.errno or 0)):
        return f"cannot listen on {bind}: {cure.format(os.path.dirname(bind.path))}"
    if error.errno == errno.EACCES:
        return (
            f"cannot listen on {bind}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE "
            "(systemd: AmbientCapabilities=, containers: cap_add)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {bind}: this machine has no such address"
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"cannot listen on {bind}: the disk of its file hangs: {error}"
    return f"cannot listen on {bind}: {error.strerror or error}"


def _where(bind: Address, looked_up: LookedUp) -> Address:
    """Returns the address with its name resolved, as it was bound."""
    if isinstance(bind, TcpAddress):
        with contextlib.suppress(OSError):
            _, where = looked_up.get(bind) or _resolve(bind)
            return TcpAddress(where[0], where[1])
    return bind


def _status(error: OSError) -> int:
    return os.EX_NOPERM if error.errno == errno.EACCES else 1


def _takes_both(bind: TcpAddress, listeners: Sequence[Listener]) -> bool:
    """Whether both 0.0.0.0 and [::] are among the listeners with this port."""
    same_port = [
        other.bind for other in listeners if isinstance(other.bind, TcpAddress) and other.bind.port == bind.port
    ]
    return _is_any(bind) and len({":" in other.host for other in same_port if _is_any(other)}) == 2
