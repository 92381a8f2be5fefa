"""The plain manifests of deploy/kubernetes hold together: ports, paths, times, and the configuration in them.

``make kubernetes-check`` holds them to the schemas of Kubernetes and to the chart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.settings.checked import load_checked
from wsgate import __version__
from wsgate.ops.drain import longest_drain
from wsgate.settings.model import Settings, TcpAddress

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
VALUES = yaml.safe_load((KUBERNETES / "chart" / "values.yaml").read_text())
ADMIN_PATHS = {"/healthz", "/readyz", "/metrics"}


def resource(kind: str, name: str = "wsgate") -> dict[str, Any]:
    documents = yaml.safe_load_all((KUBERNETES / "plain" / "wsgate.yaml").read_text())
    (found,) = [each for each in documents if each["kind"] == kind and each["metadata"]["name"] == name]
    return dict(found)


def settings(text: str, directory: Path) -> Settings:
    """The settings, with the files that the pod mounts in ``directory``."""
    (directory / "token").write_text("sesame\n")
    file = directory / "wsgate.yaml"
    file.write_text(re.sub(r"/run/secrets/wsgate/admin/", f"{directory}/", text))
    return load_checked(str(file))


def texts() -> list[Any]:
    return [
        pytest.param(resource("ConfigMap")["data"]["wsgate.yaml"], id="plain"),
        pytest.param((KUBERNETES / "example" / "wsgate.yaml").read_text(), id="example"),
    ]


def pod() -> dict[str, Any]:
    return dict(resource("Deployment")["spec"]["template"]["spec"])


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    return dict(found)


@pytest.mark.parametrize("text", texts())
def test_the_pod_outlives_the_drain(text: str, tmp_path: Path) -> None:
    assert pod()["terminationGracePeriodSeconds"] >= longest_drain(settings(text, tmp_path))


@pytest.mark.parametrize("text", texts())
def test_ports_are_those_of_the_configuration(text: str, tmp_path: Path) -> None:
    loaded = settings(text, tmp_path)
    assert loaded.admin is not None
    listening = {listener.bind for listener in loaded.listeners} | {loaded.admin.bind}
    ports = {port["containerPort"] for port in container()["ports"]}
    assert {bind.port for bind in listening if isinstance(bind, TcpAddress)} == ports


def test_services_and_policies_name_the_ports() -> None:
    names = {port["name"] for port in container()["ports"]}
    services = [resource("Service"), resource("Service", "wsgate-admin")]
    assert {port["targetPort"] for service in services for port in service["spec"]["ports"]} == names
    rules = resource("NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == names


def test_probes_ask_what_is_answered() -> None:
    probes = [container()[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert {probe["path"] for probe in probes} <= ADMIN_PATHS
    assert {probe["port"] for probe in probes} == {"admin"}


def test_the_file_is_mounted_so_that_it_changes() -> None:
    """A file that is mounted by itself never changes; and the gateway looks at it."""
    serve, watch, file = container()["args"]
    assert (serve, watch) == ("serve", "--watch")
    (mount,) = [mount for mount in container()["volumeMounts"] if mount["name"] == "config"]
    assert str(Path(file).parent) == mount["mountPath"]
    assert "subPath" not in mount


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((KUBERNETES / "chart" / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    assert container()["image"] == f"{VALUES['image']['repository']}:{__version__}"


def test_nothing_more_is_allowed_than_is_needed() -> None:
    security = container()["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod()["securityContext"]["runAsNonRoot"]
    assert not pod()["automountServiceAccountToken"]
