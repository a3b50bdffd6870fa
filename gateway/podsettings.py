"""The part of the environment that only the Kubernetes launcher reads."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.variables import (
    DnsLabel,
    DnsName,
    Host,
    HostPort,
    ImagePart,
    Patience,
    Port,
    Quantity,
)


class PodSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How and where agents are made as pods. Part of `gateway.settings.Settings`."""

    kube_config: Annotated[
        Path | None,
        Meta(description="Kubernetes: kubeconfig file; unset: the pod's own service account"),
    ] = msgspec.field(name="KUBE_CONFIG_PATH", default=None)
    namespace: Annotated[DnsLabel, Meta(description="Kubernetes: where agents' pods are made")] = (
        msgspec.field(name="AGENT_NAMESPACE", default=DnsLabel("default"))
    )
    node_host: Annotated[
        Host,
        Meta(
            description="Kubernetes, development: agents are reached at this host through "
            "NodePort Services, by a gateway outside of the cluster"
        ),
    ] = msgspec.field(name="NODE_HOST", default=Host())
    registry: Annotated[ImagePart, Meta(description="Registry of the agents' image")] = (
        msgspec.field(name="CONTAINER_REGISTRY", default=ImagePart("ghcr.io"))
    )
    registry_namespace: Annotated[
        ImagePart, Meta(description="What stands between registry and image name")
    ] = msgspec.field(name="CONTAINER_NAMESPACE", default=ImagePart())
    image_name: Annotated[ImagePart, Meta(description="Name of the agents' image")] = msgspec.field(
        name="AGENT_IMAGE_NAME", default=ImagePart("forge-agent")
    )
    image_tag: Annotated[
        ImagePart, Meta(description="Its tag, or its digest (`sha256:` and 64 hex digits)")
    ] = msgspec.field(name="AGENT_IMAGE_TAG", default=ImagePart("latest"))
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"] | None,
        Meta(description="When nodes pull it; unset: Kubernetes' default for the tag"),
    ] = msgspec.field(name="FORGE_AGENT_IMAGE_PULL_POLICY", default=None)
    image_pull_secret: Annotated[
        DnsName, Meta(description="Secret with the registry's credentials")
    ] = msgspec.field(name="IMAGE_PULL_SECRET", default=DnsName())
    model_secret: Annotated[
        DnsName,
        Meta(
            description="Secret with model credentials, such as ANTHROPIC_API_KEY; agents get "
            "those that their backend reads"
        ),
    ] = msgspec.field(name="FORGE_AGENT_SECRET", default=DnsName("agent-secrets"))
    service_account: Annotated[
        DnsName,
        Meta(description="Service account of agents' pods, whose token they never get"),
    ] = msgspec.field(name="FORGE_AGENT_SERVICE_ACCOUNT", default=DnsName())
    cpu: Annotated[Quantity, Meta(description="CPU an agent may use at most")] = msgspec.field(
        name="FORGE_AGENT_CPU", default=Quantity("2")
    )
    cpu_request: Annotated[Quantity, Meta(description="CPU set aside for an agent")] = (
        msgspec.field(name="FORGE_AGENT_CPU_REQUEST", default=Quantity("100m"))
    )
    memory: Annotated[Quantity, Meta(description="Memory an agent may use at most")] = (
        msgspec.field(name="FORGE_AGENT_MEMORY", default=Quantity("2Gi"))
    )
    memory_request: Annotated[Quantity, Meta(description="Memory set aside for an agent")] = (
        msgspec.field(name="FORGE_AGENT_MEMORY_REQUEST", default=Quantity("256Mi"))
    )
    disk: Annotated[
        Quantity,
        Meta(description="Largest workspace on an emptyDir; a pod that exceeds it is evicted"),
    ] = msgspec.field(name="FORGE_AGENT_DISK", default=Quantity("8Gi"))
    volume: Annotated[
        Quantity,
        Meta(
            description="Size of a volume of its own (PVC) for each new agent, which then "
            "outlives its pod; unset: emptyDir, which does not"
        ),
    ] = msgspec.field(name="FORGE_AGENT_VOLUME", default=Quantity())
    storage_class: Annotated[
        DnsName, Meta(description="Storage class of such volumes; unset: the cluster's default")
    ] = msgspec.field(name="FORGE_AGENT_STORAGE_CLASS", default=DnsName())
    template: Annotated[
        Path | None,
        Meta(description="File with a patch of agents' pods (strategic merge), checked at start"),
    ] = msgspec.field(name="FORGE_AGENT_TEMPLATE", default=None)
    start_deadline: Annotated[
        Patience,
        Meta(description="After so long without ever being ready, an agent's turns fail"),
    ] = msgspec.field(name="FORGE_START_DEADLINE", default=Patience(600))
    nudge_port: Annotated[
        Port, Meta(description="Kubernetes: port on which this gateway takes agents' nudges")
    ] = msgspec.field(name="FORGE_NUDGE_PORT", default=9090)
    nudge_address: Annotated[
        HostPort | None,
        Meta(
            description="Kubernetes: host:port of a Service before that port of all gateways; "
            "unset: agents cannot nudge"
        ),
    ] = msgspec.field(name="FORGE_NUDGE_ADDRESS", default=None)
