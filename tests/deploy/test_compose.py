"""The files of deploy/ are consistent: names, ports, paths and times in several files are the same in all of them.

``make image-check`` builds and runs the images.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsgate.settings.load import load
from wsgate.settings.model import Relay, Settings, TcpAddress, Tunnel
from wsgate.text.duration import duration

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services: dict[str, Any] = compose["services"]
    return services


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(str(DEPLOY / "wsgate.yaml"))


def dockerfile(service: dict[str, Any]) -> Path:
    context: str = service["build"]["context"]
    return DEPLOY / context / "Dockerfile"


def instruction(file: Path, name: str) -> str:
    """The argument of a Dockerfile's last instruction of this name, which is the one that counts."""
    found: list[str] = re.findall(rf"^{name} (.*)$", file.read_text(), re.MULTILINE)
    return found[-1]


def port_of(service: dict[str, Any]) -> int:
    """The TCP port that a service listens on."""
    if "build" in service:
        return int(instruction(dockerfile(service), "EXPOSE"))
    (volume,) = service["volumes"]
    return int(instruction(DEPLOY / volume.partition(":")[0], "listener"))


def test_every_backend_is_a_service_on_its_port(services: dict[str, Any], settings: Settings) -> None:
    backends = set()
    for route in settings.routes:
        assert isinstance(route.action, Relay | Tunnel)
        for target in route.action.to:
            assert isinstance(target.address, TcpAddress)
            backends.add((target.address.host, target.address.port))
    assert backends == {(name, port_of(service)) for name, service in services.items() if name != "gateway"}


def test_the_gateway_listens_where_its_port_is_published(services: dict[str, Any], settings: Settings) -> None:
    (listener,) = settings.listeners
    port = port_of(services["gateway"])
    assert listener.bind == TcpAddress("0.0.0.0", port)
    # on loopback: the client's address does not matter here
    assert services["gateway"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_gateway_finds_its_configuration(services: dict[str, Any]) -> None:
    image = dockerfile(services["gateway"])
    assert image.resolve() == PROJECT / "Dockerfile"
    *command, file = json.loads(instruction(image, "ENTRYPOINT")) + json.loads(instruction(image, "CMD"))
    assert command == ["wsgate", "serve"]
    assert services["gateway"]["volumes"] == [f"./wsgate.yaml:{file}:ro"]


def test_a_drain_ends_before_the_container_is_killed(services: dict[str, Any], settings: Settings) -> None:
    drain = settings.drain
    assert duration(services["gateway"]["stop_grace_period"]) > drain.delay + drain.spread + drain.grace
    assert instruction(PROJECT / "Dockerfile", "STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/echo/Dockerfile"])
def test_images_run_as_a_number_and_start_without_a_shell(file: str) -> None:
    uid, _, gid = instruction(PROJECT / file, "USER").partition(":")
    assert int(uid) == int(gid) != 0
    assert isinstance(json.loads(instruction(PROJECT / file, "CMD")), list)


def test_the_echo_application_listens_on_the_port_of_its_image(services: dict[str, Any]) -> None:
    assert f"\nPORT = {port_of(services['echo'])}\n" in (DEPLOY / "echo/echo.py").read_text()


def test_images_share_base_and_websockets_version(services: dict[str, Any]) -> None:
    images = dockerfile(services["gateway"]), dockerfile(services["echo"])
    assert len({re.search(r"^ARG BASE=(.+)$", image.read_text(), re.MULTILINE)[1] for image in images}) == 1  # type: ignore[index]
    (version,) = re.findall(r"^websockets==(\S+)", (PROJECT / "requirements/dev.txt").read_text(), re.MULTILINE)
    assert f" websockets=={version}\n" in images[1].read_text()
