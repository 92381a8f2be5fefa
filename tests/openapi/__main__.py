"""``python -m tests.openapi DIRECTORY [FLAGS]``: does a running gateway do what its API's description says?

DIRECTORY has the commands openapi-spec-validator and schemathesis: ``make api-check`` makes one. FLAGS are more flags
of ``schemathesis run``.

Exit status: 0 the description is valid OpenAPI 3.1, and no request made of it was answered otherwise; 1 it is not so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.gateway_process import running
from tests.peers.threads import Backend, read_on, upgraded

TOKEN = "a-token-for-this-run"
CONFIG = Path(__file__).parent / "schemathesis.toml"
SESSIONS = 3
# The drain would end the gateway, live is a WebSocket, and a tap has no end
LEFT_OUT = ("drain", "live", "tap")


def main(arguments: Sequence[str]) -> int:
    commands, *flags = arguments
    commands = os.path.abspath(commands)
    with tempfile.TemporaryDirectory(prefix="wsgate-openapi-") as directory, ExitStack() as stack:
        url = stack.enter_context(_gateway(Path(directory)))
        description = Path(directory) / "openapi.json"
        description.write_bytes(_get(url))
        if subprocess.run(
            [f"{commands}/openapi-spec-validator", "--schema", "3.1", description], check=False
        ).returncode:
            return 1
        excluded = [flag for name in LEFT_OUT for flag in ("--exclude-operation-id", name)]
        command = [f"{commands}/schemathesis", "--config-file", str(CONFIG), "run", url, *excluded, "--no-color"]
        command += ["--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "15", "--seed", "1", *flags]
        return 1 if subprocess.run(command, cwd=directory, check=False).returncode else 0


@contextmanager
def _gateway(directory: Path) -> Iterator[str]:
    """Runs a gateway with some sessions. Yields the URL of its API's description."""
    token = directory / "token"
    token.write_text(f"{TOKEN}\n")
    admin = {"bind": "127.0.0.1:0", "token": {"file": str(token)}}
    with ExitStack() as stack:
        backend = stack.enter_context(Backend(read_on))
        to = [f"ws://127.0.0.1:{backend.port}", "ws://127.0.0.1:1"]
        gateway = stack.enter_context(running(directory, {"name": "chat", "relay": {"to": to}}, admin=admin, workers=2))
        for _ in range(SESSIONS):
            stack.enter_context(upgraded(gateway.port))
        yield f"http://{gateway.wait_line('admin listening')['address']}/api/v1/openapi.json"


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        found: bytes = answer.read()
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
