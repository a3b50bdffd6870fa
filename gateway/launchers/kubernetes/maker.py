"""Makes all objects of an agent.

In an order in which a gateway that dies on the way leaves nothing that Kubernetes, or
the next gateway, would not find an owner or a use for: the volume's claim carries the
facts from which the pod is made; Secret and Service are owned by one of the two. Whichever
carries the facts is marked while such objects are still to come (see `sweep`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError, StartFailed
from gateway.launchers.kubernetes import belongings, inheritance, names
from gateway.launchers.kubernetes.agents import Agents
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.objects import (
    CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    Kind,
    ObjectT,
    Pod,
    VolumeClaim,
)
from gateway.launchers.kubernetes.pod import PodMaker
from gateway.launchers.kubernetes.refusals import refusal
from gateway.podsettings import PodSettings

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 2.0


class Maker:
    """Any number of agents at once. Keeps nothing but what it was made with."""

    def __init__(
        self, api: ApiServer, agents: Agents, pod: PodMaker, settings: PodSettings
    ) -> None:
        self._api = api
        self._agents = agents
        self._pod = pod
        self._settings = settings

    async def make(self, facts: AgentFacts, env: Mapping[str, str], *, patience_s: float) -> Pod:
        """All objects; what passes, such as a full quota, is tried again so long.

        Raises:
            Conflict: the agent's name is taken.
            StartFailed: it cannot be made; says why. What was made stays: see `undoing`.
        """
        ends_s = asyncio.get_running_loop().time() + patience_s
        several = bool(env or self._settings.node_host)
        claim = None
        if self._settings.volume:
            claim = await self._make_claim(facts, ends_s, marked=several)
        if env and claim is not None:
            await self._patiently(SECRETS, belongings.env_secret(facts, env, claim), ends_s)
        marked = several and claim is None
        pod = await self.make_pod(facts, claim=claim, ends_s=ends_s, marked=marked)
        if env and claim is None:
            # Kubelet waits for it; the other way round nobody would own it for a while.
            await self._patiently(SECRETS, belongings.env_secret(facts, env, pod), ends_s)
        if several:
            await self.made(claim or pod)
        return pod

    async def made(self, holder: Pod | VolumeClaim) -> None:
        """All of its objects are there; `holder` is what carries the facts.

        Raises:
            GatewayError: that could not be written down.
        """
        unmarked = {"metadata": {"uid": holder.metadata.uid, "annotations": {names.MAKING: None}}}
        if isinstance(holder, Pod):
            self._agents.saw_pod(await self._api.patch(PODS, holder.metadata.name, unmarked))
        else:
            self._agents.saw_claim(await self._api.patch(CLAIMS, holder.metadata.name, unmarked))

    async def make_pod(
        self, facts: AgentFacts, *, claim: VolumeClaim | None, ends_s: float, marked: bool = False
    ) -> Pod:
        """The pod alone, with its Service. Of one with a volume the claim is the owner: without
        it the pod is of no use. `marked`: more is to come. Raises as `make`."""
        body = self._pod(facts, keeps_journal=claim is not None)
        if marked:
            _mark(body)
        if claim is not None:
            body["metadata"]["ownerReferences"] = [belongings.owned_by(claim)]
            inheritance.give(claim, body)
        pod = await self._patiently(PODS, body, ends_s)
        if self._settings.node_host:
            await self.make_service(facts, pod, ends_s=ends_s)
        self._agents.saw_pod(pod)
        return pod

    async def make_service(self, facts: AgentFacts, pod: Pod, *, ends_s: float) -> None:
        """By which a gateway outside of the cluster dials the pod. Raises as `make`."""
        await self._patiently(SERVICES, belongings.node_port(facts, pod), ends_s)

    async def _make_claim(self, facts: AgentFacts, ends_s: float, *, marked: bool) -> VolumeClaim:
        body = belongings.volume_claim(facts, self._settings)
        if marked:
            _mark(body)
        claim = await self._patiently(CLAIMS, body, ends_s)
        self._agents.saw_claim(claim)
        return claim

    async def check(self, facts: AgentFacts) -> None:
        """Whether the cluster would take pods such as ours, its template included.

        Raises:
            StartFailed: it would not; says why.
        """
        body = self._pod(facts, keeps_journal=bool(self._settings.volume))
        try:
            await self._api.create(PODS, body, dry_run=True)
        except GatewayError as error:
            why = refusal(error, PODS, self._api.namespace)
            if not why.passing and "does not support dry run" not in why.message:
                raise StartFailed(f"agents' pods would be refused: {why.message}") from error

    async def _patiently(self, kind: Kind[ObjectT], body: dict[str, Any], ends_s: float) -> ObjectT:
        """Made, in one try or more. Raises as `make`."""
        now = asyncio.get_running_loop().time
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._api.create(kind, body)
            except GatewayError as error:
                why = refusal(error, kind, self._api.namespace)
                left_s = ends_s - now()
                if not why.passing or left_s <= 0:
                    raise why.as_error() from error
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _mark(body: dict[str, Any]) -> None:
    body["metadata"]["annotations"] |= {names.MAKING: ""}
