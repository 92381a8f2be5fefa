"""``cors`` of a route: what pages of other origins may do over plain HTTP."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass

from wsgate.settings.model.key import setting
from wsgate.settings.values import FieldName, Method, Timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """What the pages in ``origins`` may do over plain HTTP."""

    methods: tuple[Method, ...] = setting("Methods that they may use; left out, every one.", default=())
    headers: tuple[FieldName, ...] = setting(
        "Names of header fields that they may send; left out, every one.", default=()
    )
    expose: tuple[FieldName, ...] = setting(
        "Names of header fields of answers that they may read, beside those that every page may.", default=()
    )
    credentials: bool = setting("Whether they may send cookies and passwords.", default=False)
    max_age: Timeout | None = setting("How long browsers need not ask again, or off.", default=600.0)
