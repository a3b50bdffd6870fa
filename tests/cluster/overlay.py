"""A kustomization for tests: the base of deploy/, with this node's images and small agents."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.node.layout import ADDRESS
from tests.deploy.kustomize import FOLDER

GATEWAY_IMAGE = "localhost/forge-gateway"
TAG = "test"
_TEMPLATE = FOLDER / "components/agent-template"

AGENTS = {
    "FORGE_BACKEND": "command",
    "CONTAINER_REGISTRY": "localhost",
    "AGENT_IMAGE_NAME": "forge-agent",
    "AGENT_IMAGE_TAG": TAG,
    "FORGE_AGENT_IMAGE_PULL_POLICY": "Never",
    "FORGE_AGENT_CPU_REQUEST": "10m",
    "FORGE_AGENT_MEMORY_REQUEST": "32Mi",
    "FORGE_AGENT_MEMORY": "1Gi",
    "FORGE_WEBHOOK_ALLOW_NETWORKS": f"{ADDRESS}/32",
}
"""Settings of any gateway here: small agents of the image that the node has."""


@dataclass(frozen=True)
class Asked:
    """`settings` are added to AGENTS; `components`: their folders; `template`: of agents' pods."""

    namespace: str
    replicas: int
    settings: Mapping[str, str]
    components: Sequence[Path]
    template: Mapping[str, Any]


def write(folder: Path, asked: Asked) -> None:
    """Write it into that folder."""
    given = {**AGENTS, **asked.settings}
    settings = {
        "name": "forge-gateway",
        "behavior": "merge",
        "literals": [f"{name}={value}" for name, value in given.items()],
    }
    components = [_TEMPLATE, _replaced_template(folder, asked.template), *asked.components]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": asked.namespace,
        "resources": [os.path.relpath(FOLDER / "base", folder)],
        "components": [os.path.relpath(path, folder) for path in components],
        "images": [{"name": "forge-gateway", "newName": GATEWAY_IMAGE, "newTag": TAG}],
        "replicas": [{"name": "forge-gateway", "count": asked.replicas}],
        "configMapGenerator": [settings],
        "patches": [{"patch": json.dumps(_gateway())}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))  # JSON is YAML, too


def _replaced_template(folder: Path, template: Mapping[str, Any]) -> Path:
    """A component of its own: kustomize generates before it looks at components."""
    made = folder / "template"
    made.mkdir()
    (made / "template.yaml").write_text(json.dumps(template))
    generated = {"name": "forge-agent-template", "behavior": "replace", "files": ["template.yaml"]}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "configMapGenerator": [generated],
    }
    (made / "kustomization.yaml").write_text(json.dumps(kustomization))
    return made


def _gateway() -> dict[str, Any]:
    """It asks for less, so that many agents find room beside it."""
    container = {
        "name": "forge-gateway",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "forge-gateway"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
