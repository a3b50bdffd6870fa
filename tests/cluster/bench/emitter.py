"""Agents with the bench's backend: the operators' template installs it from a ConfigMap."""

import json
import shutil
from pathlib import Path

from tests.bench.environment import EMITTER

_MODULE = "forge_bench_emitter.py"
_METADATA = "Metadata-Version: 2.1\nName: forge-bench-emitter\nVersion: 0\n"
_ENTRY_POINTS = "[agent_runtime.backends]\nemitter = forge_bench_emitter:EmitterBackend\n"
_INSTALLED = "forge_bench_emitter-0.dist-info"
_CONFIG = "bench-emitter"
_PACKAGES = "/opt/forge/lib/python3.11/site-packages"
"""Of both images, with the Python of their base (tests/cluster/node/base.py); runtimes look nowhere
else."""


def template() -> dict[str, object]:
    """Of agents' pods."""
    return _with_backend("forge-agent")


def component(folder: Path) -> Path:
    """Written into a new folder there: what the template names, and the same for gateways."""
    made = folder / "emitter"
    made.mkdir()
    shutil.copy(EMITTER / _MODULE, made)
    (made / "METADATA").write_text(_METADATA)
    (made / "entry_points.txt").write_text(_ENTRY_POINTS)
    backend = {
        "name": _CONFIG,
        "files": [_MODULE, "METADATA", "entry_points.txt"],
        "options": {"disableNameSuffixHash": True},  # agents' pods name it
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "configMapGenerator": [backend],
        "patches": [{"patch": json.dumps(_gateway())}],
    }
    (made / "kustomization.yaml").write_text(json.dumps(kustomization))
    return made


def _gateway() -> dict[str, object]:
    """Gateways, too: they know the backends that are installed beside them."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "forge-gateway"},
        "spec": {"template": _with_backend("forge-gateway")},
    }


def _with_backend(name: str) -> dict[str, object]:
    """Patch of a pod that has a container of that name."""
    items = [
        {"key": "METADATA", "path": f"{_INSTALLED}/METADATA"},
        {"key": "entry_points.txt", "path": f"{_INSTALLED}/entry_points.txt"},
        {"key": _MODULE, "path": _MODULE},
    ]
    mounts = [
        {"name": "emitter", "mountPath": f"{_PACKAGES}/{path}", "subPath": path, "readOnly": True}
        for path in (_INSTALLED, _MODULE)
    ]
    volume = {"name": "emitter", "configMap": {"name": _CONFIG, "items": items}}
    return {"spec": {"containers": [{"name": name, "volumeMounts": mounts}], "volumes": [volume]}}
