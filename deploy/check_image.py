"""Runs the images of compose.yaml with its configuration and tries them as a client; deploy/check-image starts it.

The gateway and the echo application run from their images; Mosquitto, Redis and the desktop from Debian's packages,
with the same configuration and start. Prints a line for each check that succeeds, and ends with status 1 at the first
one that fails.
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
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DEPLOY = Path(__file__).resolve().parent
WORK = Path(sys.argv[1])  # where deploy/check-image keeps the images
BUILDAH = ["buildah", "--storage-driver", "vfs", "--root", str(WORK / "storage"), "--runroot", str(WORK / "run")]
NOVNC = "/usr/share/novnc:/usr/share/novnc:ro"
CONFIGURATION = f"{DEPLOY}/wsgate.yaml:/etc/wsgate/wsgate.yaml:ro"

UID = 65532
START = 20.0  # seconds for a container to listen
STOP = 15.0  # seconds from TERM to the end: stop_grace_period in compose.yaml

# MQTT 3.1.1 §3.1, §3.2: a client with no name and a clean session; accepted
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
CONNACK = b"\x20\x02\x00\x00"


def main() -> None:
    check_the_image()
    check_its_own_configuration()
    mosquitto = ["/usr/sbin/mosquitto", "-c", str(DEPLOY / "mosquitto.conf")]
    redis = ["redis-server", "--save", "", "--appendonly", "no"]
    desktop = [str(DEPLOY / "desktop" / "start")]
    echo, gateway = command_of("echo"), command_of("wsgate")
    with (
        running(mosquitto, 1883),
        running(redis, 6379),
        running(desktop, 5900),
        running([*BUILDAH, "run", "echo", "--", *echo], 8765) as application,
    ):
        mounts = ["--volume", CONFIGURATION, "--volume", NOVNC]
        with running([*BUILDAH, "run", *mounts, "gateway", "--", *gateway], 8080) as process:
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
    extras = "import acme, bcrypt, jwt, isal, opentelemetry.sdk, redis.asyncio, rich"
    hold("it has every extra", output("run", "gateway", "--", "python3", "-c", f"{extras}; print('all')") == "all\n")
    hold("it names its ports", set(config["ExposedPorts"]) == {"80/tcp", "443/tcp", "9600/tcp"})
    hold("it has labels", config["Labels"]["org.opencontainers.image.title"] == "wsgate")
    parts = json.loads(output("run", "gateway", "--", "cat", "/opt/wsgate/sbom.cdx.json"))["components"]
    hold(f"it lists its {len(parts)} parts", {"trio", "h11", "wsgate"} <= {part["name"] for part in parts})
    size = output("run", "gateway", "--", "du", "-sm", "/opt/wsgate").split()[0]
    print(f"    {size} MB in /opt/wsgate, beside the base", flush=True)


def check_its_own_configuration() -> None:
    with running([*BUILDAH, "run", "gateway", "--", *command_of("wsgate")], 80) as process:
        with urllib.request.urlopen("http://127.0.0.1/") as answer:
            page = answer.read().decode()
        hold("with nothing mounted it says how to mount a file", "/etc/wsgate/wsgate.yaml:ro" in page)
        kind, *check = image("wsgate")["Healthcheck"]["Test"]
        hold("its health check finds it ready", kind == "CMD" and "ready" in output("run", "gateway", "--", *check))
        began = time.monotonic()
        os.kill(inside(process), signal.SIGTERM)
        hold("TERM ends it with status 0", process.wait(STOP) == 0)
        hold("... within the 10 s that an engine waits", time.monotonic() - began < 10)


def check_service_and_drain(process: subprocess.Popen[bytes]) -> None:
    gateway = inside(process)
    hold(f"the gateway's process has uid {UID}", os.stat(f"/proc/{gateway}").st_uid == UID)
    with connect("ws://127.0.0.1:8080/mqtt", subprotocols=["mqtt"], proxy=None) as client:  # type: ignore[list-item]
        client.send(CONNECT)
        hold("an MQTT client reaches Mosquitto through the tunnel", client.recv(timeout=5) == CONNACK)
    with connect("ws://127.0.0.1:8080/desktop", subprotocols=["binary"], proxy=None) as client:  # type: ignore[list-item]
        hold("the desktop greets as a VNC server", client.recv(timeout=5) == b"RFB 003.008\n")
    with urllib.request.urlopen("http://127.0.0.1:8080/vnc.html") as answer:
        hold("... and its page is served", b"noVNC" in answer.read())
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
