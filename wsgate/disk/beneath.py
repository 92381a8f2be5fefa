"""Opening what lies beneath a directory, by a stranger's path: where the path leads is decided by what is opened.

Between the check of a path and its opening, whoever may write there can put a symbolic link in its place. So no path is
checked here. Each name is opened in the directory that was opened before it, and never followed if it is a link
(O_NOFOLLOW); a link's text is read and walked in the same way, from the root on. ".." goes back to what was opened
before. What lies outside is never opened, so nothing of it is waited for either.

(openat2(2) would do this in one call, but takes no absolute links, which today's roots have, and containers' seccomp
profiles may not have it. Two ways would be one more than needed.)
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

_MAX_LINKS = 40  # path_resolution(7)
_LOOK = getattr(os, "O_PATH", os.O_RDONLY)  # Linux: asks for no permission to read, and has no effect on a device
_DIRECTORY = _LOOK | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO would wait for its writer. O_NOCTTY: opening a terminal could give it to this process
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# What is not there, or cannot be: no fault of the disk's
NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV, errno.ENXIO, errno.ENODEV}
)


class LeadsOut(OSError):
    """A link, or "..", leads out of the root."""

    def __init__(self) -> None:
        super().__init__(errno.EXDEV, "a symbolic link leads out of the directory")


@dataclass(slots=True)
class Found:
    """What was found and is open. A directory is not open for reading, nor is a socket or another special file.

    names: where it really lies, beneath the root
    """

    fd: int
    status: os.stat_result
    names: tuple[str, ...]

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_socket(self) -> bool:
        return stat.S_ISSOCK(self.status.st_mode)

    def take(self) -> int:
        """Its descriptor, which is now the caller's to close."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Unless it was taken."""
        if self.fd >= 0:
            os.close(self.take())

    def __enter__(self) -> Found:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_beneath(root: str, names: Sequence[str]) -> Found:
    """Open what ``names`` lead to, from ``root`` on, which may itself be a link. Slow: not for the event loop.

    Raises ``OSError``; ``LeadsOut`` where that would lie outside.
    """
    todo = list(reversed(names))
    links = 0
    opened: list[tuple[str, int]] = [("", os.open(root, _DIRECTORY))]  # the way so far
    try:
        while todo:
            name = todo.pop()
            above = opened[-1][1]
            if name in ("", "."):
                continue
            if name == "..":
                if len(opened) == 1:
                    raise LeadsOut
                os.close(opened.pop()[1])
                continue
            fd = _open(name, above, is_last=not todo)
            if fd is not None:
                opened.append((name, fd))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            try:
                text = os.readlink(name, dir_fd=above)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                todo.append(name)  # no link any more
                continue
            if text.startswith("/"):
                text = _relative(root, text)
                _close(opened[1:])
                del opened[1:]
            todo += reversed(text.split("/"))
        found = Found(opened[-1][1], os.fstat(opened[-1][1]), tuple(name for name, _ in opened[1:]))
        opened.pop()
        return found
    finally:
        _close(opened)


def _open(name: str, above: int, *, is_last: bool) -> int | None:
    """What ``name`` is in the directory ``above``; ``None`` where it is a link."""
    mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return None
    if stat.S_ISDIR(mode) or not is_last:
        flags = _DIRECTORY
    elif stat.S_ISREG(mode):
        flags = _FILE
    else:
        flags = _LOOK | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        fd = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    except OSError as error:
        # It has become another thing since
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and stat.S_ISDIR(mode)):
            return None
        raise
    if stat.S_ISLNK(os.fstat(fd).st_mode):  # O_PATH opens a link itself
        os.close(fd)
        return None
    return fd


def _relative(root: str, text: str) -> str:
    """Where an absolute link leads, as seen from the root. It is only a text, and is walked as any other."""
    top, where = os.path.realpath(root), os.path.realpath(text)
    if os.path.commonpath((top, where)) != top:
        raise LeadsOut
    return os.path.relpath(where, top)


def _close(opened: Sequence[tuple[str, int]]) -> None:
    for _, fd in opened:
        os.close(fd)
