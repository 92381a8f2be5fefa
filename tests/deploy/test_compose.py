"""The files of deploy/ are consistent: names, ports, paths and times in several files are the same in all of them.

``make image-check`` builds and runs the images.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from tests.programs import find
from wsgate import __version__
from wsgate.settings.load import load
from wsgate.settings.model import Files, Relay, Settings, TcpAddress, Tunnel
from wsgate.text.duration import duration

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
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


@pytest.mark.needs("dclint")
def test_it_is_as_the_specification_has_it(compose: dict[str, Any]) -> None:
    package = find("dclint")
    assert package is not None
    schema = json.loads((Path(package) / "schemas" / "compose.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(compose)
    assert not validator.is_valid({"services": {"gateway": {"port": "80"}}})


def test_every_backend_is_a_service_on_its_port(services: dict[str, Any], settings: Settings) -> None:
    backends = set()
    for route in settings.routes:
        if isinstance(route.action, Files):
            continue
        assert isinstance(route.action, Relay | Tunnel)
        for target in route.action.to:
            assert isinstance(target.address, TcpAddress)
            backends.add((target.address.host, target.address.port))
    assert backends == {(name, port_of(services[name])) for name in ("echo", "mosquitto", "desktop")}
    assert settings.limits.shared is not None
    assert "redis://redis:6379" in (DEPLOY / "wsgate.yaml").read_text()


def test_every_file_that_is_mounted_is_there(services: dict[str, Any]) -> None:
    mounts = [volume for service in services.values() for volume in service.get("volumes", ()) if str(volume)[0] == "."]
    assert len(mounts) >= 6
    for mount in mounts:
        assert (DEPLOY / mount.split(":")[0]).is_file(), mount


def test_the_page_of_the_desktop_is_the_gateways(services: dict[str, Any], settings: Settings) -> None:
    (page,) = [route.action for route in settings.routes if isinstance(route.action, Files)]
    assert services["desktop"]["volumes"] == [f"novnc:{page.root}"]
    assert services["gateway"]["volumes"][1]["target"] == str(page.root)


def test_prometheus_and_the_health_check_ask_the_admin_listener(services: dict[str, Any], settings: Settings) -> None:
    assert settings.admin is not None
    scraped = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    assert scraped[0]["static_configs"] == [{"targets": [str(settings.admin.bind)]}]
    assert services["prometheus"]["network_mode"] == "service:gateway"
    assert f"http://{settings.admin.bind}/readyz" in (PROJECT / "Dockerfile").read_text()
    own = load(str(DEPLOY / "image" / "wsgate.yaml"))
    assert own.admin is not None
    assert own.admin.bind == settings.admin.bind


def test_the_image_has_the_version_as_a_label() -> None:
    assert f"\nARG VERSION={__version__}\n" in (PROJECT / "Dockerfile").read_text()


def test_the_images_own_configuration_drains_before_docker_kills() -> None:
    own = load(str(DEPLOY / "image" / "wsgate.yaml"))
    assert own.drain.delay + own.drain.spread + own.drain.grace < 10
    assert {str(listener.bind) for listener in own.listeners} == {"0.0.0.0:80"}


def test_the_gateway_listens_where_its_port_is_published(services: dict[str, Any], settings: Settings) -> None:
    (listener,) = settings.listeners
    assert listener.bind == TcpAddress("0.0.0.0", 8080)
    # on loopback: the client's address does not matter here
    assert services["gateway"]["ports"][0] == "127.0.0.1:8080:8080"


def test_the_gateway_finds_its_configuration(services: dict[str, Any]) -> None:
    image = dockerfile(services["gateway"])
    assert image.resolve() == PROJECT / "Dockerfile"
    *command, file = json.loads(instruction(image, "ENTRYPOINT")) + json.loads(instruction(image, "CMD"))
    assert command == ["wsgate", "serve"]
    assert services["gateway"]["volumes"][0] == f"./wsgate.yaml:{file}:ro"


def test_a_drain_ends_before_the_container_is_killed(services: dict[str, Any], settings: Settings) -> None:
    drain = settings.drain
    assert duration(services["gateway"]["stop_grace_period"]) > drain.delay + drain.spread + drain.grace
    assert instruction(PROJECT / "Dockerfile", "STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/echo/Dockerfile", "deploy/desktop/Dockerfile"])
def test_images_run_as_a_number_and_start_without_a_shell(file: str) -> None:
    uid, _, gid = instruction(PROJECT / file, "USER").partition(":")
    assert int(uid) == int(gid) != 0
    assert isinstance(json.loads(instruction(PROJECT / file, "CMD")), list)


def test_the_echo_application_listens_on_the_port_of_its_image(services: dict[str, Any]) -> None:
    assert f"\nPORT = {port_of(services['echo'])}\n" in (DEPLOY / "echo/echo.py").read_text()


def test_images_share_base_and_websockets_version(services: dict[str, Any]) -> None:
    images = dockerfile(services["gateway"]), dockerfile(services["echo"])
    (base,) = {re.search(r"^ARG BASE=(.+)$", image.read_text(), re.MULTILINE)[1] for image in images}  # type: ignore[index]
    assert re.fullmatch(r"python:3\.\d+-slim@sha256:[0-9a-f]{64}", base), "docs/releasing.md says how it is renewed"
    (version,) = re.findall(r"^websockets==(\S+)", (PROJECT / "requirements/dev.txt").read_text(), re.MULTILINE)
    assert f" websockets=={version}\n" in images[1].read_text()
