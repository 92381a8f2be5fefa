"""A directory as a page, for a files route with ``listing``, if it has no index."""

from __future__ import annotations

import contextlib
import html
import os
from collections.abc import Iterator
from urllib.parse import quote

MAX_ENTRIES = 10_000  # a page of a few MiB

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<ul>
{entries}
</ul>
{more}</body>
</html>
"""


def page(directory: int, title: str, *, is_root: bool) -> bytes:
    """Returns a page with the files and directories that are not hidden, directories first. Call it in a thread.

    directory: a descriptor, which need not be open for reading
    title: the directory's path as the client sees it

    Raises ``OSError`` when the directory cannot be read.
    """
    names: list[tuple[bool, str]] = []
    left_out = False
    with _opened(directory) as readable, os.scandir(readable) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if len(names) == MAX_ENTRIES:
                left_out = True
                break
            names.append((not _is_directory(entry), entry.name))
    links = [] if is_root else ['<li><a href="../">../</a></li>']
    for is_file, name in sorted(names):
        shown = name if is_file else f"{name}/"
        # "./", because the part in front of a colon would be a scheme (RFC 3986 §4.2). Non-UTF-8 names keep their
        # bytes.
        link = "./" + quote(os.fsencode(shown))
        text = html.escape(os.fsencode(shown).decode(errors="replace"))
        links.append(f'<li><a href="{link}">{text}</a></li>')
    more = f"<p>and more: only {MAX_ENTRIES} are shown</p>\n" if left_out else ""
    return _PAGE.format(title=html.escape(title), entries="\n".join(links), more=more).encode()


@contextlib.contextmanager
def _opened(directory: int) -> Iterator[int]:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a directory. A circular link, or one without permission, counts as none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
