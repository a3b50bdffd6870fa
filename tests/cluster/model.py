"""The stub model in a pod: where agents find it, and nothing of it outside of the cluster."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.cluster import overlay
from tests.cluster.place import Place
from tests.peers import stub_model
from tests.peers.stub_model import Call, Say

_PORT = 8000
_SOURCES = Path(stub_model.__file__).parent


async def start(place: Place, name: str, replies: Sequence[Say | Call]) -> str:
    """The base URL of one of that name, once it is ready. It lives as long as the namespace."""
    script = msgspec.json.encode(list(replies)).decode()
    await place.run("create", "configmap", name, f"--from-file={_SOURCES}")
    await place.run("create", "--filename=-", text=json.dumps(_pod(name, script)))
    await place.run("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=50s")
    address = await place.run("get", f"pod/{name}", "--output=jsonpath={.status.podIP}")
    return f"http://{address}:{_PORT}/v1"


def _pod(name: str, script: str) -> dict[str, Any]:
    """In the gateway's image, which has what it needs."""
    container = {
        "name": name,
        "image": f"{overlay.GATEWAY_IMAGE}:{overlay.TAG}",
        "imagePullPolicy": "Never",
        "command": ["python3", "-m", "tests.peers.stub_model", "0.0.0.0", str(_PORT), script],
        "workingDir": "/srv",
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "sources", "mountPath": "/srv/tests/peers/stub_model"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "sources", "configMap": {"name": name}}],
        },
    }
