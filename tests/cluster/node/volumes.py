"""PersistentVolumes of a node: folders that exist, bound when a pod that claims one is scheduled.

Nothing provisions on demand here, so there is a supply of them. They are of kind `local`, so
`fsGroup` holds for them as it does for a cloud's disks.
"""

import json
import uuid
from typing import Any

from tests.cluster.node.layout import Layout

STORAGE_CLASS = "local"


def storage_class() -> dict[str, Any]:
    """The default one."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def supply(layout: Layout, count: int) -> list[dict[str, Any]]:
    """So many more, each with a folder of its own and for one claim only."""
    return [_volume(layout) for _ in range(count)]


def as_list(objects: list[dict[str, Any]]) -> str:
    """For `kubectl apply -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _volume(layout: Layout) -> dict[str, Any]:
    name = f"volume-{uuid.uuid4().hex[:8]}"
    folder = layout.volumes / name
    folder.mkdir(parents=True)
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [layout.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
