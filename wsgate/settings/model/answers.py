"""``files``, ``respond``, ``redirect`` and ``state``: answers that need no backend."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.values import (
    AnswerField,
    BodyText,
    Directory,
    FileBelowRoot,
    FileName,
    HeaderField,
    HeaderValue,
    RedirectStatus,
    RedirectTarget,
    RouteName,
    Status,
)
from wsgate.settings.words import StateAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Serve files over plain HTTP."""

    root: Directory = setting("The directory that is served; relative to the configuration file.", required=True)
    index: tuple[FileName, ...] = setting(
        "What a directory shows: the first of these that is there.", default=("index.html",)
    )
    fallback: FileBelowRoot | None = setting(
        "The file below root that is sent for every path that leads to none, like /index.html; for single-page "
        "applications.",
        default=None,
    )
    listing: bool = setting("List the directories that have no index.", default=False)
    precompressed: bool = setting("Send file.br or file.gz for file, to clients that take it.", default=True)
    cache_control: HeaderValue = setting("Cache-Control of every file.", default="no-cache")
    headers: tuple[HeaderField, ...] = setting("More header fields for every file: a mapping, name: value.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer with a status and a text; the status alone may be written for it."""

    SHORT: ClassVar[str] = "status"

    status: Status = setting("The status, 200 to 599.", default=200)
    body: BodyText | None = setting("The text that is sent, in UTF-8; nothing when it is left out.", default=None)
    headers: tuple[AnswerField, ...] = setting(
        "More header fields: a mapping, name: value. Content-Type of a body is text/plain unless it is here.",
        default=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Send clients to another URL; the URL alone may be written for it."""

    SHORT: ClassVar[str] = "to"

    to: RedirectTarget = setting(
        "An http:// or https:// URL, or a path; {host} in it is the requested host without its port, {path} the whole "
        "path, {rest} what follows the route's prefix, {name} or {1} what a group of its regex matched, {query} the "
        "query with its question mark.",
        required=True,
    )
    status: RedirectStatus = setting(
        "302 or 307 for now, 301 or 308 for ever, 303 to be read with GET; 307 and 308 keep the method.", default=302
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Answer balancers whether the gateway is alive, or ready for new clients; the word alone may be written for it."""

    SHORT: ClassVar[str] = "answer"

    answer: StateAnswer = setting(
        "ready is 200, or 503 from the first moment of a drain on; alive is always 200.", default=StateAnswer.READY
    )
    backends: tuple[RouteName, ...] = setting(
        "Routes: not ready while one drains, or each of its backends is unhealthy, ejected or draining.",
        default=(),
    )
