"""The deployment files: valid by their schemas, and true to the code they start."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands
from jsonschema import Draft202012Validator

from crypto.commands import Lane
from project.metrics import LANE_GAUGES

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
SCALED_OBJECT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "keda.sh/v1alpha1"},
        "spec": {
            "type": "object",
            "required": ["scaleTargetRef", "triggers"],
            "additionalProperties": False,
            "properties": {
                "scaleTargetRef": {"type": "object", "required": ["name"]},
                "minReplicaCount": {"type": "integer", "minimum": 1},
                "maxReplicaCount": {"type": "integer"},
                "pollingInterval": {"type": "integer"},
                "cooldownPeriod": {"type": "integer"},
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["type", "metadata"],
                        "properties": {
                            "type": {"const": "prometheus"},
                            "metadata": {
                                "type": "object",
                                "required": ["serverAddress", "query", "threshold"],
                                "additionalProperties": {"type": "string"},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What we use of KEDA's ScaledObject, after its documentation; its schema is in no package."""


def documents() -> list[tuple[str, dict[str, Any]]]:
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [(file.name, one) for file in files for one in yaml.safe_load_all(file.read_text())]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for _, one in documents() if one["kind"] == kind}


def commands() -> list[list[str]]:
    """Every command line that the deployment files start."""
    pods = [one["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for one in named(kind).values()]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    ours = [service["command"] for service in compose if service["image"] == "crypto-orchestrator"]
    return ours + [container["command"] for pod in pods for container in pod["containers"]]


@pytest.mark.parametrize(("file", "document"), documents())
def test_manifests_are_valid(file: str, document: dict[str, Any]) -> None:
    if document["kind"] == "ScaledObject":
        Draft202012Validator(SCALED_OBJECT).validate(document)
    elif document["kind"] == "Kustomization":
        there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
        assert set(document["resources"]) == there - {file}
    else:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_compose_file_is_valid() -> None:
    tool = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    assert tool is not None
    subprocess.run([tool, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"], check=True)


def test_every_lane_has_a_deployment_that_scales_by_its_own_figures() -> None:
    scaled = named("ScaledObject")
    gauges = {name for name, _ in LANE_GAUGES.values()}
    for lane in Lane:
        deployment = named("Deployment")[f"worker-{lane.value}"]
        command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
        assert command[command.index("--queues") + 1 :] == [lane.value]
        for trigger in scaled[f"worker-{lane.value}"]["spec"]["triggers"]:
            query = trigger["metadata"]["query"]
            assert f'{{lane="{lane.value}"}}' in query
            assert any(f"({gauge}{{" in query for gauge in gauges)


def test_what_is_started_exists() -> None:
    known = get_commands()
    started = {line[2] for line in commands() if line[1] == "manage.py"}
    assert {"rungrpc", "rundramatiq", "scheduler", "migrate"} == started
    assert started <= known.keys()
