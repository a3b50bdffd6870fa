"""What an agent has besides its pod: a volume, a Secret of its variables, a Service.

Secret and Service have an owner, so that Kubernetes itself removes them with it.
"""

import base64
from collections.abc import Mapping
from typing import Any

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.objects import Object, Pod
from gateway.launchers.kubernetes.pod import env_secret_name
from gateway.podsettings import PodSettings


def volume_claim(facts: AgentFacts, settings: PodSettings) -> dict[str, Any]:
    """With the facts: its pod can be made again from them."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.volume}},
    }
    if settings.storage_class:
        spec["storageClassName"] = settings.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": facts.metadata(),
        "spec": spec,
    }


def env_secret(facts: AgentFacts, env: Mapping[str, str], owner: Object) -> dict[str, Any]:
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in env.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _owned(facts, env_secret_name(facts), owner),
        "immutable": True,
        "data": encoded,
    }


def node_port(facts: AgentFacts, pod: Pod) -> dict[str, Any]:
    """For a gateway outside of the cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _owned(facts, facts.name, pod),
        "spec": {
            "type": "NodePort",
            "selector": names.labels(facts.user_id, facts.agent_id),
            # The gateway itself finds out whether it answers, before it is ready for kubelet.
            "publishNotReadyAddresses": True,
            "ports": [{"name": names.PORT_NAME, "port": names.PORT, "targetPort": names.PORT_NAME}],
        },
    }


def owned_by(owner: Object) -> dict[str, Any]:
    """For what Kubernetes is to remove with it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod" if isinstance(owner, Pod) else "PersistentVolumeClaim",
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
    }


def _owned(facts: AgentFacts, name: str, owner: Object) -> dict[str, Any]:
    return {**facts.metadata(), "name": name, "ownerReferences": [owned_by(owner)]}
