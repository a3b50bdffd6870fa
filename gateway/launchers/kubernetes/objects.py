"""What is kept of Kubernetes' objects: the fields that are read here, and no others.

Nothing of this is ever written back as a whole: changes are merge patches of single
fields, so what is not kept cannot be lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from gateway.model import Phase


class OwnerReference(msgspec.Struct, frozen=True):
    kind: str
    name: str
    uid: str


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """`resource_version`: a number that grows with every change of any object."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Object(msgspec.Struct, frozen=True):
    """What all kinds have."""

    metadata: Metadata

    @property
    def number(self) -> int:
        """Versions are numbers that grow, over all objects of a cluster."""
        version = self.metadata.resource_version
        return int(version) if version.isdecimal() else 0


class Condition(msgspec.Struct, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Waiting(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class Running(msgspec.Struct, frozen=True, rename="camel"):
    started_at: datetime | None = None


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    """One of them, or none yet."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    container_id: str = msgspec.field(default="", name="containerID")


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: Phase = "Unknown"
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class Pod(Object, frozen=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class VolumeClaimStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class VolumeClaim(Object, frozen=True):
    """A PersistentVolumeClaim."""

    status: VolumeClaimStatus = VolumeClaimStatus()


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    node_port: int = 0


class ServiceSpec(msgspec.Struct, frozen=True):
    ports: tuple[ServicePort, ...] = ()


class Service(Object, frozen=True):
    spec: ServiceSpec = ServiceSpec()


class Secret(Object, frozen=True):
    """What it holds is never read back."""


class Concerned(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""


class Warned(Object, frozen=True, rename="camel"):
    """An Event of type Warning about a pod."""

    pod: Concerned = msgspec.field(name="involvedObject")
    reason: str = ""
    message: str = ""


ObjectT = TypeVar("ObjectT", bound=Object)


@dataclass(frozen=True, slots=True)
class Kind(Generic[ObjectT]):
    """One kind of namespaced object of Kubernetes' core API.

    Attributes:
        fields: a field selector; "": all objects.
        bookmarks: whether watches of it tell how far they have come when nothing changes.
    """

    plural: str
    type: type[ObjectT]
    fields: str = ""
    bookmarks: bool = True


PODS = Kind("pods", Pod)
CLAIMS = Kind("persistentvolumeclaims", VolumeClaim)
SERVICES = Kind("services", Service)
SECRETS = Kind("secrets", Secret)
WARNINGS = Kind(
    "events",
    Warned,
    fields="involvedObject.kind=Pod,involvedObject.fieldPath=,type=Warning,"
    "reason!=FailedScheduling",
    bookmarks=False,
)
"""About pods as a whole. What concerns one of its containers, or its scheduling, is in its status;
of Events the API server keeps no copy that would make bookmarks."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[ObjectT]):
    """Objects as they were at one version, by name."""

    version: str
    objects: Mapping[str, ObjectT]


@dataclass(frozen=True, slots=True)
class Event(Generic[ObjectT]):
    """A change that a watch tells. `object` None: nothing changed, but that version is reached."""

    version: str
    object: ObjectT | None
    removed: bool = False
