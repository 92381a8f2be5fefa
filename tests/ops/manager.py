"""A service manager, as the gateway speaks to it (sd_notify(3)), on a real socket."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType

from wsgate.ops.systemd import Notifier


class Manager:
    """What systemd listens on; ``address`` is what it writes into ``NOTIFY_SOCKET``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + address[1:] if address.startswith("@") else address)
        self._sock.setblocking(False)

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sock.close()

    def notifier(self, **environment: str) -> Notifier:
        """The gateway's end; the environment is added to the address."""
        return Notifier({"NOTIFY_SOCKET": self.address, **environment})

    def heard(self) -> dict[str, str]:
        """Returns the next notification. Raises ``BlockingIOError`` when there is none."""
        return dict(line.split("=", 1) for line in self._sock.recv(4096).decode().split("\n"))

    def all_heard(self) -> list[str]:
        """The first line of each notification that has come."""
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(next("=".join(field) for field in self.heard().items()))
        return heard
