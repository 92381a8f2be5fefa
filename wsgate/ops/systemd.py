"""What systemd is told, where it asks for it: sd_notify(3), without its library.

A notification is a datagram to the socket that ``NOTIFY_SOCKET`` names. That one is lost is no reason to stop serving.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from wsgate.events.emit import emit


class Notifier:
    """For the process that the service manager started.

    watchdog: seconds within which systemd wants to hear ``alive``; ``None`` where it does not care
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environment) if self._address else None

    def ready(self) -> None:
        """It serves; or a reload is over, done or refused."""
        self._send("READY=1", "STATUS=serving")

    def reloading(self) -> None:
        # With its time, or systemd would take the READY of an earlier reload for the end of this one
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self, longest: float) -> None:
        """It drains, and asks for so many seconds: TimeoutStopSec= knows nothing of the drain's."""
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
    """A path, or with @ a name in Linux' abstract namespace; systemd's vsock: and others are not for us."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process, whose environment came down to us
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
