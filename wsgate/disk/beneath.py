"""Opening a file beneath a directory by a client's path, so that the path cannot lead outside.

Between the check of a path and its opening, a local user may replace a part of it by a symbolic link. So this file
checks no path. It opens each name in the directory that was opened before it, without following links (O_NOFOLLOW). It
reads a link's text and walks it in the same way, starting at the root if it is absolute. ".." goes back to the
directory opened before. Nothing outside is ever opened, so nothing outside can cause a wait.

(openat2(2) would do this in one call. But it accepts no absolute links, which existing roots have, and the seccomp
profiles of containers may forbid it.)
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

_MAX_LINKS = 40  # path_resolution(7)
_PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)  # Linux: needs no permission to read, and has no effect on a device
_DIRECTORY = _PATH_ONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO would wait for its writer. O_NOCTTY: opening a terminal could give it to this process
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# The file does not exist, or cannot exist: the disk is not at fault
NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EXDEV, errno.ENXIO, errno.ENODEV}
)


class OutsideRoot(OSError):
    """A link or ".." leads out of the root."""

    def __init__(self) -> None:
        super().__init__(errno.EXDEV, "a symbolic link leads out of the directory")


@dataclass(slots=True)
class OpenedPath:
    """An open file or directory. Only a regular file is open for reading.

    fd: its descriptor; -1 after ``take`` or ``close``
    names: its real path beneath the root, without links
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
        """Returns its descriptor, which the caller has to close from now on."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Closes the descriptor unless it was taken."""
        if self.fd >= 0:
            os.close(self.take())

    def __enter__(self) -> OpenedPath:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_beneath(root: str, names: Sequence[str]) -> OpenedPath:
    """Opens the path ``names`` beneath ``root``, which may itself be a link. May wait for a disk: call it in a thread.

    Raises ``OSError`` when it cannot be opened, ``OutsideRoot`` when it lies outside.
    """
    todo = list(reversed(names))
    links = 0
    opened: list[tuple[str, int]] = [("", os.open(root, _DIRECTORY))]  # the path so far
    try:
        while todo:
            name = todo.pop()
            above = opened[-1][1]
            if name in ("", "."):
                continue
            if name == "..":
                if len(opened) == 1:
                    raise OutsideRoot
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
                todo.append(name)  # it is no link any more
                continue
            if text.startswith("/"):
                text = _relative(root, text)
                _close(opened[1:])
                del opened[1:]
            todo += reversed(text.split("/"))
        found = OpenedPath(opened[-1][1], os.fstat(opened[-1][1]), tuple(name for name, _ in opened[1:]))
        opened.pop()
        return found
    finally:
        _close(opened)


def _open(name: str, above: int, *, is_last: bool) -> int | None:
    """Opens ``name`` in the directory ``above``. Returns its descriptor; ``None`` if it is a link."""
    mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return None
    if stat.S_ISDIR(mode) or not is_last:
        flags = _DIRECTORY
    elif stat.S_ISREG(mode):
        flags = _FILE
    else:
        flags = _PATH_ONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        fd = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    except OSError as error:
        # It was replaced since the call of stat
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and stat.S_ISDIR(mode)):
            return None
        raise
    if stat.S_ISLNK(os.fstat(fd).st_mode):  # O_PATH opens a link itself
        os.close(fd)
        return None
    return fd


def _relative(root: str, text: str) -> str:
    """Returns the target of an absolute link relative to the root. Only a text: the caller walks it like any other."""
    top, where = os.path.realpath(root), os.path.realpath(text)
    if os.path.commonpath((top, where)) != top:
        raise OutsideRoot
    return os.path.relpath(where, top)


def _close(opened: Sequence[tuple[str, int]]) -> None:
    for _, fd in opened:
        os.close(fd)
