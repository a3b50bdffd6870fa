"""All agents of the namespace, as this gateway knows them: nothing here calls anybody."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.answers import Answers, Life
from gateway.launchers.kubernetes.conditions import container
from gateway.launchers.kubernetes.facts import AgentFacts, deleted_ms
from gateway.launchers.kubernetes.objects import Object, Pod, Service, VolumeClaim, Warned
from gateway.launchers.kubernetes.reflector import Reflector
from gateway.launchers.kubernetes.targets import Targets
from gateway.launchers.kubernetes.warnings import Warnings

Changed = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAgent:
    """One agent at one moment. `pod` or `claim` is there, or both.

    Attributes:
        claim: of the volume of its own, where it has one: then that is what lasts.
        life: the current start of its container; None: it does not run.
        warned: what Kubernetes said last of its pod, where the pod's status does not.
        answers: its gRPC has answered this gateway in this life.
        deleted_ms: since when (Unix ms) it is gone for the API.
    """

    facts: AgentFacts
    pod: Pod | None
    claim: VolumeClaim | None
    warned: Warned | None
    life: Life | None
    answers: bool
    deleted_ms: int | None

    @property
    def holder(self) -> Pod | VolumeClaim:
        """What carries its facts."""
        holder = self.claim or self.pod
        assert holder is not None, "one of them is there"
        return holder

    @property
    def ready(self) -> bool:
        """Whether a message would be taken now."""
        pod = self.pod
        return self.answers and pod is not None and pod.metadata.deletion_timestamp is None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An object's name, and the facts in it: read once, not for every message."""

    name: str
    facts: AgentFacts


class Agents:
    """Joins pods, volumes and answers by agent id; tells who waits for a change."""

    def __init__(
        self,
        pods: Reflector[Pod],
        claims: Reflector[VolumeClaim],
        targets: Targets,
        warnings: Warnings,
    ) -> None:
        self._pods = pods
        self._claims = claims
        self._targets = targets
        self._warnings = warnings
        self._by_pod: dict[str, _Entry] = {}
        self._by_claim: dict[str, _Entry] = {}
        self._answers = Answers(self._announce)
        self._listeners: list[Changed] = []
        self._waiting: dict[str, set[asyncio.Event]] = {}
        pods.listen(self._pod_changed)
        claims.listen(self._claim_changed)
        targets.listen(self._service_changed)
        warnings.listen(self._pod_warned)

    async def settle(self, *, within_s: float) -> None:
        """Until every agent that runs has answered, or that time is up."""
        await self._answers.settle(within_s=within_s)

    async def close(self) -> None:
        await self._answers.close()

    def find(self, agent_id: str) -> KnownAgent | None:
        by_claim, by_pod = self._by_claim.get(agent_id), self._by_pod.get(agent_id)
        holder = by_claim or by_pod
        if holder is None:
            return None
        pod = self._pods.get(by_pod.name) if by_pod else None
        claim = self._claims.get(by_claim.name) if by_claim else None
        if pod is None and claim is None:
            return None
        life = self._life(pod) if pod else None
        return KnownAgent(
            facts=holder.facts,
            pod=pod,
            claim=claim,
            warned=self._warnings.of(pod) if pod else None,
            life=life,
            answers=life is not None and self._answers.has(agent_id, life),
            deleted_ms=_deleted_ms(pod, claim),
        )

    def ids(self) -> Collection[str]:
        return self._by_pod.keys() | self._by_claim.keys()

    def all(self) -> list[KnownAgent]:
        return [known for agent_id in self.ids() if (known := self.find(agent_id)) is not None]

    def saw_pod(self, pod: Pod) -> None:
        """What the API server has just answered somebody else."""
        self._pods.saw(pod)

    def saw_claim(self, claim: VolumeClaim) -> None:
        self._claims.saw(claim)

    def listen(self, listener: Changed) -> None:
        """Told the id of every agent that changed, vanished or answered. It must return at once."""
        self._listeners.append(listener)

    @contextmanager
    def watched(self, agent_id: str) -> Iterator[asyncio.Event]:
        """An event that every change of that agent sets. Clear it, look, then wait for it."""
        changed = asyncio.Event()
        waiting = self._waiting.setdefault(agent_id, set())
        waiting.add(changed)
        try:
            yield changed
        finally:
            waiting.discard(changed)
            if not waiting:
                self._waiting.pop(agent_id, None)

    def _life(self, pod: Pod) -> Life | None:
        status = container(pod)
        running = status is not None and status.state.running is not None
        target = self._targets.of(pod) if running and pod.status.phase == "Running" else None
        return Life(status.container_id, target) if status and target else None

    def _pod_changed(self, before: Pod | None, now: Pod | None) -> None:
        agent_id = _follow(self._by_pod, before, now)
        if agent_id is not None:
            self._look(agent_id)

    def _claim_changed(self, before: VolumeClaim | None, now: VolumeClaim | None) -> None:
        agent_id = _follow(self._by_claim, before, now)
        if agent_id is not None:
            self._announce(agent_id)

    def _service_changed(self, _: Service | None, now: Service | None) -> None:
        facts = AgentFacts.read(now.metadata) if now else None
        if facts is not None:
            self._look(facts.agent_id)

    def _pod_warned(self, name: str) -> None:
        pod = self._pods.get(name)
        agent_id = pod.metadata.labels.get(names.AGENT_ID) if pod else None
        if agent_id is not None:
            self._announce(agent_id)

    def _look(self, agent_id: str) -> None:
        entry = self._by_pod.get(agent_id)
        pod = self._pods.get(entry.name) if entry else None
        self._answers.look(agent_id, self._life(pod) if pod else None)
        self._announce(agent_id)

    def _announce(self, agent_id: str) -> None:
        for changed in self._waiting.get(agent_id, ()):
            changed.set()
        for listener in self._listeners:
            listener(agent_id)


def _deleted_ms(pod: Pod | None, claim: VolumeClaim | None) -> int | None:
    for held in (pod, claim):
        if held is not None and (marked_ms := deleted_ms(held.metadata)) is not None:
            return marked_ms
    if claim is not None and (going_at := claim.metadata.deletion_timestamp) is not None:
        return round(going_at.timestamp() * 1000)
    return None


def _follow(found: dict[str, _Entry], before: Object | None, now: Object | None) -> str | None:
    """Keep what is found under the agent's id; whose change it is, None: no agent's.

    Where two objects claim one id, the first that was seen has it. Facts that somebody
    breaks later are kept as they were.
    """
    told = now or before
    agent_id = told.metadata.labels.get(names.AGENT_ID) if told else None
    if told is None or agent_id is None:
        return None
    entry = found.get(agent_id)
    if entry is not None and entry.name != told.metadata.name:
        return None
    facts = AgentFacts.read(told.metadata)
    if now is None:
        found.pop(agent_id, None)
    elif facts is not None:
        found[agent_id] = _Entry(told.metadata.name, facts)
    return agent_id if entry is not None or facts is not None else None
