"""Leaves nothing of an agent whose making failed."""

import asyncio
import logging
from typing import Any

from gateway.errors import GatewayError, NotFound
from gateway.launchers.kubernetes.agents import Agents
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.errors import Stale
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.objects import CLAIMS, PODS, Kind

_LOG = logging.getLogger(__name__)

_TRIED_S = 120.0
"""How long: the API server may be away just then."""
_AWAITED_S = 2.0
"""How much of that whoever asked for the agent waits."""
_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0


class Undoing:
    """Owns a task for each agent that is undone. Secrets and Services go with their owners."""

    def __init__(self, api: ApiServer, agents: Agents, *, volumes: bool) -> None:
        self._api = api
        self._agents = agents
        # The claim first: while it is there, a pod that is gone would be made again.
        self._kinds: tuple[Kind[Any], ...] = (CLAIMS, PODS) if volumes else (PODS,)
        self._tasks: set[asyncio.Task[None]] = set()

    async def undo(self, facts: AgentFacts) -> None:
        """Returns when nothing is left, here and in the cache, or after 2 s: it goes on then.

        Goes on, too, when the caller is cancelled.
        """
        task = asyncio.create_task(self._undo(facts), name=f"undo-{facts.agent_id}")
        self._tasks.add(task)
        task.add_done_callback(self._undone)
        await asyncio.wait({task}, timeout=_AWAITED_S)

    async def close(self) -> None:
        """Idempotent. What is not undone then is left, as an agent that can be deleted."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _undo(self, facts: AgentFacts) -> None:
        try:
            async with asyncio.timeout(_TRIED_S):
                for kind in self._kinds:
                    await self._remove(kind, facts)
                await self._forgotten(facts)
        except TimeoutError:
            _LOG.warning("undo_unfinished", extra={"agent": facts.agent_id, "pod": facts.name})

    async def _remove(self, kind: Kind[Any], facts: AgentFacts) -> None:
        """If it is of that very agent, not of another of the same name."""
        pause_s = _PAUSE_S
        while True:
            try:
                found = await self._api.get(kind, facts.name)
                if AgentFacts.read(found.metadata) == facts:
                    await self._api.delete(kind, facts.name, uid=found.metadata.uid, grace_s=0)
            except (NotFound, Stale):
                return
            except GatewayError as error:
                _LOG.warning("undo_failed", extra={"pod": facts.name, "reason": str(error)})
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return

    async def _forgotten(self, facts: AgentFacts) -> None:
        with self._agents.watched(facts.agent_id) as changed:
            while (known := self._agents.find(facts.agent_id)) is not None:
                if known.facts != facts or known.deleted_ms is not None:
                    return
                await changed.wait()
                changed.clear()

    def _undone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=error)
