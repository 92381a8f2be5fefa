"""Debian's pebble, an ACME server for tests, with a name server beside it that knows every name as 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.peers.sockets import free_port
from tests.pki import Authority
from tests.programs import find

# It loses one request in five this way, as clients must bear (RFC 8555 §6.5); and it checks challenges at once
_ENVIRONMENT = {"PEBBLE_WFE_NONCEREJECT": "20", "PEBBLE_VA_NOSLEEP": "1"}
_PATIENCE = 20.0  # seconds until it answers


class Pebble:
    """A running CA.

    directory: the URL of its directory
    ca: the file of the CA of its own certificate
    challenge_port: where it asks for the answers to challenges, in place of port 80
    tls_port: the same in place of port 443
    """

    def __init__(self, directory: Path) -> None:
        authority = Authority(directory, "pebble-ca")
        pair = authority.issue("localhost", to="pebble")
        ports = [free_port() for _ in range(3)]
        self.ca = authority.file
        self.challenge_port, self.tls_port = free_port(), free_port()
        self.directory = f"https://localhost:{ports[0]}/dir"
        self._management = f"https://localhost:{ports[1]}"
        settings = {
            "listenAddress": f"127.0.0.1:{ports[0]}",
            "managementListenAddress": f"127.0.0.1:{ports[1]}",
            "certificate": pair.certificate,
            "privateKey": pair.key,
            "httpPort": self.challenge_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        self._file = directory / "pebble.json"
        self._file.write_text(json.dumps({"pebble": settings}))
        self._names = f"127.0.0.1:{ports[2]}"

    def commands(self) -> list[list[str]]:
        pebble, names = find("pebble"), find("pebble-challtestsrv")
        assert pebble is not None
        assert names is not None
        off = [flag for name in ("http01", "https01", "tlsalpn01", "defaultIPv6") for flag in (f"-{name}", "")]
        management = ["-management", f"127.0.0.1:{free_port()}"]
        return [
            [names, "-dns01", self._names, "-defaultIPv4", "127.0.0.1", *management, *off],
            [pebble, "-config", str(self._file), "-dnsserver", self._names],
        ]

    def root(self) -> str:
        """The CA's own certificate, PEM."""
        return self._get(f"{self._management}/roots/0")

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._get(self.directory)
                return
            except OSError:
                assert time.monotonic() < deadline, "pebble does not answer"

    def _get(self, url: str) -> str:
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(url, context=context, timeout=_PATIENCE) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Pebble]:
    """A CA, until the end of the block."""
    pebble = Pebble(directory)
    with contextlib.ExitStack() as stack:
        for command in pebble.commands():
            with open(directory / f"{Path(command[0]).name}.log", "wb") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_ENVIRONMENT, cwd=directory
                )
            stack.callback(process.wait)
            stack.callback(process.kill)
        pebble.wait_ready()
        yield pebble
