"""Loads the files of the admin page: no build step, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css",
    ".js": b"text/javascript",
    ".svg": b"image/svg+xml",
}


def _load() -> dict[str, tuple[bytes, bytes]]:
    files = {
        f"/page/{file.name}": (_TYPES[file.suffix], file.read_bytes())
        for file in Path(__file__).parent.iterdir()
        if file.suffix in _TYPES
    }
    return {"/": files["/page/index.html"], **files}


# By path: the type and the content
FILES = _load()
