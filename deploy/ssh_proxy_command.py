"""A command for ``ssh -o ProxyCommand``: connects its stdin and stdout to a WebSocket.

``python proxy_command.py ws://host:port/path``
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

CHUNK = 64 << 10  # bytes


def write_out(websocket: ClientConnection) -> None:
    """Until the far end has closed."""
    for message in websocket:
        assert isinstance(message, bytes)
        sys.stdout.buffer.write(message)
        sys.stdout.buffer.flush()
    os._exit(0)  # the other direction waits for ssh, which waits for this process to end


def main(url: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # ssh sends it when it ends; there is a Close frame to send then
    with connect(
        url, subprotocols=[Subprotocol("binary")], compression=None, max_size=None, ping_interval=None, proxy=None
    ) as websocket:
        threading.Thread(target=write_out, args=[websocket], daemon=True).start()
        try:
            while data := os.read(0, CHUNK):
                websocket.send(data)
        except ConnectionClosed:
            pass  # the peer has gone, so it gets no message


if __name__ == "__main__":
    main(sys.argv[1])
