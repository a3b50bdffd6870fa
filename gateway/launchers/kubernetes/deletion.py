"""The end of agents: first it is written down, then their objects are deleted."""

import contextlib
import time

from gateway.errors import NotFound, Unavailable
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.agents import Agents, KnownAgent
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.errors import Stale
from gateway.launchers.kubernetes.facts import deleted_ms
from gateway.launchers.kubernetes.objects import (
    CLAIMS,
    PODS,
    Kind,
    Metadata,
    ObjectT,
    VolumeClaim,
)

_TRIES = 5


class Deletion:
    """`deliver_s`: how long an agent whose journal is on a volume of its own may go on to
    deliver what it holds. One without has its pod's grace period; its notes tell the rest."""

    def __init__(self, api: ApiServer, agents: Agents, *, deliver_s: float) -> None:
        self._api = api
        self._agents = agents
        self._deliver_s = round(deliver_s)

    async def mark(self, known: KnownAgent) -> None:
        """From now on it is gone for the API, whoever looks: the volume says so, else the pod.

        Raises:
            NotFound: it is gone, or has been marked.
            Unavailable: it could not be written.
        """
        claim = known.claim
        if claim is None and known.pod is not None:
            claim = await self._unseen_claim(known.pod.metadata)
        if claim is not None:
            self._agents.saw_claim(await self._marked(CLAIMS, claim.metadata))
        elif known.pod is not None:
            self._agents.saw_pod(await self._marked(PODS, known.pod.metadata))

    async def finish(self, known: KnownAgent) -> None:
        """Delete what there is of a marked agent; what is deleted already is left alone.

        Raises:
            Unavailable: not everything could be deleted.
        """
        pod, claim = known.pod, known.claim
        with contextlib.suppress(NotFound, Stale):
            if pod is not None and pod.metadata.deletion_timestamp is None:
                grace_s = None if claim is None else self._deliver_s
                name, uid = pod.metadata.name, pod.metadata.uid
                await self._api.delete(PODS, name, uid=uid, grace_s=grace_s)
        with contextlib.suppress(NotFound, Stale):
            if claim is not None and claim.metadata.deletion_timestamp is None:
                # Kubernetes keeps it as long as the pod is there.
                await self._api.delete(CLAIMS, claim.metadata.name, uid=claim.metadata.uid)

    async def _unseen_claim(self, pod: Metadata) -> VolumeClaim | None:
        """Pods and claims are watched apart: a pod may have been told before its volume."""
        for owner in pod.owner_references:
            if owner.kind == "PersistentVolumeClaim":
                with contextlib.suppress(NotFound):
                    claim = await self._api.get(CLAIMS, owner.name)
                    return claim if claim.metadata.uid == owner.uid else None
        return None

    async def _marked(self, kind: Kind[ObjectT], metadata: Metadata) -> ObjectT:
        for _ in range(_TRIES):
            if deleted_ms(metadata) is not None:
                break
            body = {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "annotations": {names.DELETED: str(round(time.time() * 1000))},
            }
            try:
                return await self._api.patch(kind, metadata.name, {"metadata": body})
            except Stale:
                found = await self._api.get(kind, metadata.name)
                if found.metadata.uid != metadata.uid:
                    break
                metadata = found.metadata
        else:
            raise Unavailable("the agent changes all the time; try again")
        raise NotFound(f"there is no agent {metadata.labels.get(names.AGENT_ID)}")
