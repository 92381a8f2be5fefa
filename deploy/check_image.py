"""Runs the images of compose.yaml with its configuration and tries them as a client; deploy/check-image starts it.

The gateway and the echo application run from their images, Mosquitto from Debian's package with the same configuration
file. Prints a line for each check that succeeds, and ends with status 1 at the first one that fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DEPLOY = Path(__file__).resolve().parent
WORK = Path(sys.argv[1])  # where deploy/check-image keeps the images
BUILDAH = ["buildah", "--storage-driver", "vfs", "--root", str(WORK / "storage"), "--runroot", str(WORK / "run")]
CONFIGURATION = f"{DEPLOY}/wsgate.yaml:/etc/wsgate/wsgate.yaml:ro"

UID = 65532
START = 20.0  # seconds for a container to listen
STOP = 15.0  # seconds from TERM to the end: stop_grace_period in compose.yaml

# MQTT 3.1.1 §3.1, §3.2: a client with no name and a clean session; accepted
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
CONNACK = b"\x20\x02\x00\x00"


def main() -> None:
    check_the_image()
    check_without_a_configuration()
    mosquitto = ["/usr/sbin/mosquitto", "-c", str(DEPLOY / "mosquitto.conf")]
    echo, gateway = command_of("echo"), command_of("wsgate")
    with running(mosquitto, 1883), running([*BUILDAH, "run", "echo", "--", *echo], 8765) as application:
        with running([*BUILDAH, "run", "--volume", CONFIGURATION, "gateway", "--", *gateway], 8080) as process:
            check_service_and_drain(process)
        os.kill(inside(application), signal.SIGTERM)
        hold("the echo application ends on TERM", application.wait(STOP) == 0)


def check_the_image() -> None:
    config = image("wsgate")
    hold("it runs as a number, so that Kubernetes can tell that it is not root", config["User"] == f"{UID}:{UID}")
    hold("it drains on TERM", config["StopSignal"] == "SIGTERM")
    version = output("run", "gateway", "--", "wsgate", "--version")
    hold(f"its command answers: {version.strip()}", version.startswith("wsgate "))
    packages = output("run", "gateway", "--", "ls", "/opt/wsgate/bin")
    hold("it carries no installer", "pip" not in packages)
    kernel = output("run", "gateway", "--", "python3", "-c", "from wsgate.wire import kernel; print(kernel.STATUS)")
    hold(f"it has the compiled kernel: {kernel.strip()}", "compiled kernel" in kernel and "not there" not in kernel)
    schema = output("run", "gateway", "--", "wsgate", "schema")
    hold("it describes its configuration", json.loads(schema)["type"] == "object")


def check_without_a_configuration() -> None:
    run = subprocess.run(
        [*BUILDAH, "run", "gateway", "--", *command_of("wsgate")], capture_output=True, text=True, check=False
    )
    hold("without a configuration it says which file it wants", "/etc/wsgate/wsgate.yaml" in run.stderr)
    hold("... and fails", run.returncode != 0)


def check_service_and_drain(process: subprocess.Popen[bytes]) -> None:
    gateway = inside(process)
    hold(f"the gateway's process has uid {UID}", os.stat(f"/proc/{gateway}").st_uid == UID)
    with connect("ws://127.0.0.1:8080/mqtt", subprotocols=["mqtt"], proxy=None) as client:  # type: ignore[list-item]
        client.send(CONNECT)
        hold("an MQTT client reaches Mosquitto through the tunnel", client.recv(timeout=5) == CONNACK)
    with connect("ws://127.0.0.1:8080/echo", proxy=None) as client:
        client.send("hello")
        hold("the relay echoes", client.recv(timeout=5) == "hello")
        os.kill(gateway, signal.SIGTERM)
        try:
            client.recv(timeout=STOP)
            closed = None
        except ConnectionClosed as error:
            closed = error.rcvd
        hold("TERM ends an open session with close code 1001", closed is not None and closed.code == 1001)
    hold("... and the gateway with status 0", process.wait(STOP) == 0)


def inside(process: subprocess.Popen[bytes]) -> int:
    """The process id of the program in a container: buildah starts itself again, and that the program."""
    pid = process.pid
    # a process's children are listed by the thread that started them
    while children := [
        child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()
    ]:
        pid = int(children[0])
    return pid


@contextlib.contextmanager
def running(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on ``port`` of this network."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_until_open(process, port)
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(inside(process), signal.SIGKILL)
            process.kill()
            process.wait()


def wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"FAILED: nothing listens on port {port}")
            time.sleep(0.05)
        else:
            return


def image(name: str) -> dict[str, Any]:
    """The image's settings: User, Entrypoint, Cmd, ..."""
    config: dict[str, Any] = json.loads((WORK / f"{name}.json").read_text())["Docker"]["config"]
    return config


def command_of(name: str) -> list[str]:
    """What a container engine would start."""
    config = image(name)
    return [*(config.get("Entrypoint") or []), *config["Cmd"]]


def output(*arguments: str) -> str:
    return subprocess.run([*BUILDAH, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def hold(what: str, holds: bool) -> None:
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


main()
