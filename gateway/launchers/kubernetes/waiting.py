"""Waiting for an agent to come up: on changes of the cache, never by asking again."""

import asyncio

from gateway.errors import NotFound, StartFailed, Unavailable
from gateway.launchers.kubernetes.agents import Agents, KnownAgent
from gateway.launchers.kubernetes.conditions import Trouble
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.fate import is_drained
from gateway.launchers.kubernetes.view import why_not_ready


class Waiting:
    """Any number of waits at once; keeps nothing."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def until_ready(self, facts: AgentFacts, *, ends_s: float) -> KnownAgent:
        """A new agent. `ends_s`: of the loop's clock.

        Raises:
            StartFailed: it cannot come up, is not up by then, or is gone; says why.
        """
        why = Trouble("Starting")
        try:
            async with asyncio.timeout_at(ends_s):
                with self._agents.watched(facts.agent_id) as changed:
                    while True:
                        known = self._agents.find(facts.agent_id)
                        if known is None or known.facts != facts or known.deleted_ms is not None:
                            raise StartFailed("it was deleted while it started")
                        if known.ready:
                            return known
                        why = why_not_ready(known)
                        if why.hopeless:
                            raise StartFailed(_sentence(why))
                        await changed.wait()
                        changed.clear()
        except TimeoutError as error:
            raise StartFailed(f"it was not ready in time: {_sentence(why)}") from error

    async def until_it_answers(self, agent_id: str, *, timeout_s: float) -> str:
        """The gRPC target, also of a deleted agent that is still up.

        Raises:
            NotFound: it is gone, or was deleted before it ever ran.
            Unavailable: not up in time, or its pod has ended for good; says why.
        """
        try:
            async with asyncio.timeout(timeout_s):
                with self._agents.watched(agent_id) as changed:
                    while (target := self._target(agent_id)) is None:
                        await changed.wait()
                        changed.clear()
                    return target
        except TimeoutError as error:
            known = self._agents.find(agent_id)
            why = _sentence(why_not_ready(known)) if known else "it is gone"
            raise Unavailable(f"agent {agent_id} is not up: {why}") from error

    def _target(self, agent_id: str) -> str | None:
        """None: not now. Raises NotFound, Unavailable where it will never be."""
        known = self._agents.find(agent_id)
        if known is None or (known.deleted_ms is not None and _holds_nothing(known)):
            raise NotFound(f"there is no agent {agent_id}")
        if known.answers and known.life is not None:
            return known.life.target
        if known.claim is None and known.pod and known.pod.status.phase in ("Failed", "Succeeded"):
            raise Unavailable(
                f"agent {agent_id} has ended for good: {_sentence(why_not_ready(known))}"
            )
        return None


def _holds_nothing(known: KnownAgent) -> bool:
    """Whether no runtime of it has taken anything that it could end or deliver.

    One that runs may be about to; a volume may hold what an earlier pod took.
    """
    if known.pod is None:
        return True
    return known.claim is None and known.life is None and not is_drained(known.pod)


def _sentence(why: Trouble) -> str:
    return f"{why.message} ({why.reason})" if why.message else why.reason
