"""Brings back what should be there and removes what should not, whichever gateway left it.

Secrets and Services are not removed here: they have owners, Kubernetes does it.
"""

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime

from gateway.errors import Conflict, GatewayError, NotFound
from gateway.launchers.kubernetes.agents import Agents, KnownAgent
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.deletion import Deletion
from gateway.launchers.kubernetes.errors import Stale
from gateway.launchers.kubernetes.facts import is_being_made, is_going
from gateway.launchers.kubernetes.fate import is_drained, is_lost
from gateway.launchers.kubernetes.inheritance import Inheritance
from gateway.launchers.kubernetes.maker import Maker
from gateway.launchers.kubernetes.objects import CLAIMS, PODS, Object, Pod, VolumeClaim
from gateway.launchers.kubernetes.targets import Targets
from gateway.launchers.kubernetes.undoing import Undoing

_LOG = logging.getLogger(__name__)

RETIRE_S = 40.0
"""Who deletes an agent tells it to retire first; if that gateway dies, another one deletes."""
HALF_MADE_S = 30.0
"""So long after its maker must have given up somebody who died over it is waited for."""
_MAKING_S = 30.0
"""So long a volume may be without a pod, or a pod without its Service: both are just being made."""
_GAP_S = 0.5
"""At least, between two rounds."""
_PATIENCE_S = 5.0


class Sweep:
    """Looks every `every_s`, and soon after something changed that needs it. Owns its task.

    `make_s`: how long gateways try to make an agent.

    What it looks at is the cache: a round in which nothing has to be done calls nobody.
    """

    def __init__(
        self,
        agents: Agents,
        maker: Maker,
        deletion: Deletion,
        inheritance: Inheritance,
        undoing: Undoing,
        api: ApiServer,
        targets: Targets,
        *,
        make_s: float,
        every_s: float,
    ) -> None:
        self._agents = agents
        self._maker = maker
        self._deletion = deletion
        self._inheritance = inheritance
        self._undoing = undoing
        self._api = api
        self._targets = targets
        self._make_s = make_s
        self._every_s = every_s
        self._due = asyncio.Event()
        self._had_pod: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        agents.listen(self._changed)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sweep")
        self._task.add_done_callback(_tell_death)

    async def close(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _changed(self, agent_id: str) -> None:
        known = self._agents.find(agent_id)
        if known is None or known.claim is None:
            self._had_pod.discard(agent_id)
        elif not _lacks_pod(known):
            self._had_pod.add(agent_id)
        elif agent_id in self._had_pod:
            self._due.set()

    async def _run(self) -> None:
        while True:
            self._due.clear()
            for known in self._agents.all():
                await self._look_after(known)
            await asyncio.sleep(_GAP_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._due.wait()

    async def _look_after(self, known: KnownAgent) -> None:
        agent_id = known.facts.agent_id
        try:
            if known.deleted_ms is not None:
                await self._finish(known, known.deleted_ms)
            elif is_being_made(known.holder.metadata):
                await self._complete(known)
            elif known.claim is not None and _lacks_pod(known):
                await self._bring_back(known, known.claim)
            elif known.pod is not None:
                await self._look_after_pod(known.pod, known)
        except (NotFound, Conflict):
            return  # it is gone by now, or another gateway was first
        except GatewayError as error:
            _LOG.warning("sweep_failed", extra={"agent": agent_id, "reason": str(error)})
        except Exception:  # noqa: BLE001 - a fault of ours must not leave the others alone
            _LOG.exception("sweep_failed", extra={"agent": agent_id})

    async def _finish(self, known: KnownAgent, marked_ms: int) -> None:
        """Delete what its gateway did not, because it died or the API server did not answer."""
        if time.time() * 1000 - marked_ms > RETIRE_S * 1000:
            await self._deletion.finish(known)

    async def _complete(self, known: KnownAgent) -> None:
        """Its maker died on the way, before it could tell anybody of it: so it is undone, and its
        name is free again. One that works all the same lacks nothing but its maker's word."""
        if known.answers or (known.pod is not None and is_drained(known.pod)):
            await self._maker.made(known.holder)
        elif _age_s(known.holder) > self._make_s + HALF_MADE_S:
            _LOG.warning("half_made", extra={"agent": known.facts.agent_id})
            await self._undoing.undo(known.facts)

    async def _bring_back(self, known: KnownAgent, claim: VolumeClaim) -> None:
        """The pod of a volume: the journal on it goes on."""
        agent_id = known.facts.agent_id
        if known.pod is not None:
            await self._inheritance.leave(agent_id, claim)
            await self._clear(known.pod)
            return
        if agent_id not in self._had_pod and _age_s(claim) < _MAKING_S:
            return
        now = await self._api.get(CLAIMS, claim.metadata.name)  # the cache may be behind
        if is_going(now.metadata) or now.metadata.uid != claim.metadata.uid:
            return
        ends_s = asyncio.get_running_loop().time() + _PATIENCE_S
        await self._maker.make_pod(known.facts, claim=now, ends_s=ends_s)
        _LOG.info("pod_made_again", extra={"agent": agent_id})

    async def _look_after_pod(self, pod: Pod, known: KnownAgent) -> None:
        if known.claim is not None:
            await self._inheritance.taken(pod, known.claim)
        if self._targets.lacks_service(pod) and not is_lost(pod) and _age_s(pod) > _MAKING_S:
            now_s = asyncio.get_running_loop().time()
            await self._maker.make_service(known.facts, pod, ends_s=now_s)
            _LOG.info("service_made_again", extra={"agent": known.facts.agent_id})

    async def _clear(self, pod: Pod) -> None:
        """Make way: that pod has ended for good (evicted, or its node is gone)."""
        if pod.metadata.deletion_timestamp is None:
            with contextlib.suppress(Stale):
                await self._api.delete(PODS, pod.metadata.name, uid=pod.metadata.uid, grace_s=0)


def _lacks_pod(known: KnownAgent) -> bool:
    """Whether it has a volume, and no pod that could still run."""
    return known.claim is not None and (known.pod is None or is_lost(known.pod))


def _age_s(made: Object) -> float:
    made_at = made.metadata.creation_timestamp
    return (datetime.now(UTC) - made_at).total_seconds() if made_at else 0.0


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=error)
