"""Notifies systemd by the protocol of sd_notify(3), without its library.

A notification is a datagram to the socket in ``NOTIFY_SOCKET``. A lost notification does not stop the gateway.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from wsgate.events.emit import emit


class Notifier:
    """Sends notifications from the process that the service manager started; does nothing without one.

    watchdog: the longest time between two calls of ``alive``, in seconds; ``None`` if systemd does not ask for them
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environment) if self._address else None

    def ready(self) -> None:
        """The gateway serves, or a reload is over, done or refused."""
        self._send("READY=1", "STATUS=serving")

    def reloading(self) -> None:
        # With its time, so that systemd does not take the READY of an earlier reload for the end of this one
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self, longest: float) -> None:
        """The gateway drains, and asks for ``longest`` seconds, because TimeoutStopSec= may be shorter."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(longest * 1e6)}", "STATUS=draining")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            emit(logging.DEBUG, "not notified", message=lines[0], error=error.strerror)


def _address(name: str) -> str | None:
    """Returns the socket's address: a path, or with @ an abstract name; ``None`` for others, like vsock:."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # inherited from the environment of another process
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
