"""The node is a real one: what the other tests rely on."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.cluster.kubectl import Kubectl
from tests.cluster.namespace import namespace
from tests.cluster.node.errors import Failed
from tests.cluster.node.node import Node

NOBODY = "0" * 64
READY = '{.status.conditions[?(@.type=="Ready")].status}'
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(scope="module")
def own() -> Iterator[Kubectl]:
    with namespace("node") as name:
        yield Kubectl(name)


def test_api_server_answers(cluster: Node) -> None:
    """It is the version that go.mod pins, and its node is ready."""
    version = json.loads(cluster.kubectl("version", "--output=json"))
    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"]
    path = "--output=jsonpath={.status.nodeInfo.kubeletVersion}"
    kubelet = cluster.kubectl("get", "node", cluster.layout.name, path)
    assert kubelet == version["serverVersion"]["gitVersion"]


def test_agent_image_runs_under_restricted_pod_security(own: Kubectl) -> None:
    """With a read-only root it becomes ready, and answers gRPC's health check at its pod's IP."""
    apply(own, agent("healthy"))
    own.wait_for("pod", "healthy", READY, "True".__eq__)
    address = own("get", "pod", "healthy", "--output=jsonpath={.status.podIP}")
    with grpc.insecure_channel(f"{address}:8080") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_pod_security_is_enforced(own: Kubectl) -> None:
    """A pod that wants the host's network is refused where the namespace is restricted."""
    pod = agent("bold")
    pod["spec"]["hostNetwork"] = True
    with pytest.raises(Failed, match="violates PodSecurity"):
        apply(own, pod)


def test_claim_is_bound_when_its_pod_is_scheduled(own: Kubectl) -> None:
    """The default StorageClass has volumes to give, and the agent's group may write to them."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }
    pod = agent("keeper")
    pod["spec"]["volumes"][0] = {"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}
    apply(own, claim)
    apply(own, pod)
    own.wait_for("pod", "keeper", READY, "True".__eq__)


def test_service_and_names(own: Kubectl) -> None:
    """A Service is found by its name from inside a pod, and leads to the pods behind it."""
    apply(own, agent("server"))
    own("expose", "pod", "server", "--port=8080")
    own.wait_for("pod", "server", READY, "True".__eq__)
    connect = "import socket; socket.create_connection(('server', 8080), 10)"
    own("exec", "server", "--", "python3", "-c", connect)


def agent(name: str) -> dict[str, Any]:
    """A pod with an agent that nobody has a token for."""
    variables = {
        "AGENT_ID": name,
        "FORGE_STATE_DIR": "/home/agent/state",
        "FORGE_BACKEND": "command",
        "FORGE_CLIENT_TOKEN_SHA256": NOBODY,
        "FORGE_RELAY_TOKEN_SHA256": NOBODY,
    }
    container = {
        "name": "forge-agent",
        "image": "localhost/forge-agent:test",
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "readinessProbe": {"grpc": {"port": 8080}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "data", "mountPath": "/home/agent/state", "subPath": "state"},
            {"name": "temporary", "mountPath": "/tmp"},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "fsGroup": 1001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "temporary", "emptyDir": {}},
            ],
        },
    }


def apply(kubectl: Kubectl, described: dict[str, Any]) -> None:
    kubectl("apply", "--filename=-", text=json.dumps(described))
