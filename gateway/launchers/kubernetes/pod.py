"""What an agent's pod looks like.

As little as an agent needs: no root, no capability, no writable image, no token of the
cluster, nothing secret in the object itself. The namespace may enforce the restricted
Pod Security Standard.
"""

from collections.abc import Mapping
from typing import Any

from gateway.keyring import Keyring
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.environment import STATE, TMP, WORKSPACE, AgentEnvironment
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.template import PodTemplate
from gateway.podsettings import PodSettings

UID = 1001
"""Of the image's user, who owns its home."""

_GRACE_S = 10.0
"""FORGE_GRACE_S, where the gateway's environment does not say otherwise."""
_DELIVERY_S = 30
"""After that, for what is still to be delivered."""
_STATE_LIMIT = "2Gi"
"""Journal (256 MiB), snapshots (256 MiB, for a moment twice), and what the CLI keeps of its own."""
_TMP_LIMIT = "1Gi"


class PodMaker:
    """Makes manifests. `gateway_env`: of which agents get a small part."""

    def __init__(
        self,
        settings: PodSettings,
        keyring: Keyring,
        template: PodTemplate,
        *,
        gateway_env: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._template = template
        self._environment = AgentEnvironment(settings, keyring, gateway_env)
        self._grace_s = _grace_s(gateway_env)

    def __call__(self, facts: AgentFacts, *, keeps_journal: bool) -> dict[str, Any]:
        """`keeps_journal`: on a volume of its own, of the pod's name.

        Raises:
            KeyringError: the key of the agent's tokens is missing.
        """
        return self._template.applied(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": facts.metadata(),
                "spec": self._spec(facts, keeps_journal=keeps_journal),
            }
        )

    def _spec(self, facts: AgentFacts, *, keeps_journal: bool) -> dict[str, Any]:
        settings = self._settings
        spec: dict[str, Any] = {
            "restartPolicy": "Always",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": self._grace_s,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container(facts, keeps_journal=keeps_journal)],
            "volumes": self._volumes(facts, keeps_journal=keeps_journal),
        }
        if settings.service_account:
            spec["serviceAccountName"] = settings.service_account
        if settings.image_pull_secret:
            spec["imagePullSecrets"] = [{"name": settings.image_pull_secret}]
        return spec

    def _container(self, facts: AgentFacts, *, keeps_journal: bool) -> dict[str, Any]:
        settings = self._settings
        container: dict[str, Any] = {
            "name": names.CONTAINER,
            "image": image(settings),
            "ports": [{"name": names.PORT_NAME, "containerPort": names.PORT, "protocol": "TCP"}],
            "env": self._environment(facts, keeps_journal=keeps_journal),
            "resources": {
                "requests": {"cpu": settings.cpu_request, "memory": settings.memory_request},
                "limits": {"cpu": settings.cpu, "memory": settings.memory},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": _mounts(keeps_journal=keeps_journal),
            # For kubectl and Services; gateways ask gRPC health themselves. There is no liveness
            # probe: a runtime that is only slow would be killed, and its turn with it, and one
            # that dies is started again without.
            "readinessProbe": {
                "tcpSocket": {"port": names.PORT_NAME},
                "initialDelaySeconds": 1,
                "periodSeconds": 5,
            },
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        if settings.image_pull_policy:
            container["imagePullPolicy"] = settings.image_pull_policy
        if facts.env:
            container["envFrom"] = [{"secretRef": {"name": env_secret_name(facts)}}]
        return container

    def _volumes(self, facts: AgentFacts, *, keeps_journal: bool) -> list[dict[str, Any]]:
        scratch = {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_LIMIT}}
        if keeps_journal:
            return [{"name": "agent", "persistentVolumeClaim": {"claimName": facts.name}}, scratch]
        return [
            {"name": "workspace", "emptyDir": {"sizeLimit": self._settings.disk}},
            {"name": "state", "emptyDir": {"sizeLimit": _STATE_LIMIT}},
            scratch,
        ]


def image(settings: PodSettings) -> str:
    """Its whole name."""
    parts = (settings.registry, settings.registry_namespace, settings.image_name)
    sign = "@" if settings.image_tag.startswith("sha256:") else ":"
    return "/".join(filter(None, parts)) + sign + settings.image_tag


def env_secret_name(facts: AgentFacts) -> str:
    """Of the Secret that holds the caller's variables."""
    return f"{facts.name}-env"


def _mounts(*, keeps_journal: bool) -> list[dict[str, Any]]:
    scratch = {"name": "tmp", "mountPath": TMP}
    if keeps_journal:
        return [
            {"name": "agent", "mountPath": WORKSPACE, "subPath": "workspace"},
            {"name": "agent", "mountPath": STATE, "subPath": "state"},
            scratch,
        ]
    return [
        {"name": "workspace", "mountPath": WORKSPACE},
        {"name": "state", "mountPath": STATE},
        scratch,
    ]


def _grace_s(gateway_env: Mapping[str, str]) -> int:
    """From SIGTERM to SIGKILL: the running turn may end, then what is left is delivered."""
    try:
        grace_s = float(gateway_env.get("FORGE_GRACE_S") or _GRACE_S)
    except ValueError:
        grace_s = _GRACE_S  # the runtime will say what is wrong with it
    return int(max(grace_s, 0.0)) + _DELIVERY_S
