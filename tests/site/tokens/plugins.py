"""What operators write to look tokens up."""

from __future__ import annotations

import threading
from typing import Any

import trio

TARGETS: dict[str, Any] = {"desk": ["10.0.0.1", 5900], "unix": ["unix_socket", "/run/x"], "text": "10.0.0.1:5900"}
release = threading.Event()  # what `hang` waits for


def look_up(token: str) -> Any:
    assert threading.current_thread() is not threading.main_thread()
    return TARGETS.get(token)


async def look_up_async(token: str) -> Any:
    await trio.lowlevel.checkpoint()
    assert threading.current_thread() is threading.main_thread()
    return TARGETS.get(token)


def broken(token: str) -> Any:
    try:
        return dict[str, Any]()[token]
    except KeyError:
        raise RuntimeError(f"no {token!r} in the database") from None


async def broken_async(token: str) -> Any:
    raise LookupError(token)


def leave(token: str) -> Any:
    raise SystemExit(token)


def returned(token: str) -> Any:
    return 5


def hang(token: str) -> Any:
    release.wait()


class Plugin:
    """As websockify's."""

    def __init__(self, src: str | None) -> None:
        self.source = src

    def lookup(self, token: str) -> Any:
        return TARGETS.get(token) if self.source == "here" else None


class Bare:
    async def lookup(self, token: str) -> Any:
        return TARGETS.get(token)


class Callable_:
    async def __call__(self, token: str) -> Any:
        return TARGETS.get(token)


class Failing:
    def __init__(self, src: str) -> None:
        raise OSError("no database")

    def lookup(self, token: str) -> Any: ...


class Nothing:
    lock = 5


instance = Plugin("here")
called = Callable_()
number = 5
