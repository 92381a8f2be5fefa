"""Finds the process that listens on an address, from /proc (proc(5)), for an error message; in bounded time."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
import time
from collections.abc import Iterator

from wsgate.settings.model import Address, TcpAddress, UnixAddress

_LONGEST = 0.5  # seconds for searching all processes
_LISTENING = "0A"  # TCP_LISTEN
_ACCEPTS = 0x10000  # __SO_ACCEPTCON of a Unix socket


def owner_of(address: Address) -> str | None:
    """Returns the owner for a message: ``nginx (pid 812)``, or only its user without permission to look at the process.

    Returns ``None`` if nothing is known.

    address: with an IP address or a path, no name
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        inodes = dict(_of_unix(address) if isinstance(address, UnixAddress) else _of_tcp(address))
        if not inodes:
            return None
        pid = _process_with({f"socket:[{inode}]" for inode in inodes})
        if pid is not None:
            return f"{_name(pid)} (pid {pid})" if pid != os.getpid() else "this gateway itself"
        uid = next(iter(inodes.values()))
        return None if uid is None else f"a process of the user with the id {uid}"
    return None


def _of_tcp(address: TcpAddress) -> Iterator[tuple[str, int | None]]:
    """Yields inode and user of each listening socket on this address or on all addresses."""
    wanted = ipaddress.ip_address(address.host)
    written = f":{address.port:04X} "
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(file, encoding="ascii") as lines:
            next(lines)
            for line in lines:
                if written not in line:  # there may be a hundred thousand
                    continue
                fields = line.split()
                host, _, port = fields[1].partition(":")
                if fields[3] != _LISTENING or int(port, 16) != address.port:
                    continue
                bound = _decode(host)
                if bound == wanted or bound.is_unspecified or wanted.is_unspecified:
                    yield fields[9], int(fields[7])


def _decode(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Decodes an address, which the kernel prints as 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(host[i : i + 8]) for i in range(0, len(host), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return ipaddress.ip_address(packed)


def _of_unix(address: UnixAddress) -> Iterator[tuple[str, int | None]]:
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as lines:
        next(lines)
        for line in lines:
            fields = line.split(None, 7)
            if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS and fields[7].rstrip("\n") == address.path:
                yield fields[6], None


def _process_with(sockets: set[str]) -> int | None:
    end = time.monotonic() + _LONGEST
    for name in sorted(filter(str.isdigit, os.listdir("/proc")), key=_descriptors):
        if time.monotonic() > end:
            break
        # OSError: a process of another user, or one that has ended
        with contextlib.suppress(OSError), os.scandir(f"/proc/{name}/fd") as entries:
            if any(_link(entry.path) in sockets for entry in entries):
                return int(name)
    return None


def _descriptors(process: str) -> int:
    """Returns how many descriptors a process has, so that those with many are searched last; 0 if the kernel does not
    say (before Linux 6.2)."""
    try:
        return os.stat(f"/proc/{process}/fd").st_size
    except OSError:
        return 0


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _name(pid: int) -> str:
    """Returns the name that ps shows. A process may choose any name, so it is escaped if it is not printable."""
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        name = file.read().rstrip("\n")
    return name if name.isprintable() else ascii(name)
