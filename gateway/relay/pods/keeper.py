"""The keeper: sees to it that whatever pods and their notes ask for is done."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from gateway.errors import GatewayError, Unavailable
from gateway.launchers.notes import Notes, PodNotes
from gateway.relay.attach import Attachments
from gateway.relay.pods.claims import Claims, claimed_by_others, losses
from gateway.relay.pods.drain import Drain
from gateway.relay.pods.journals import Journals
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.lost import Lost
from gateway.relay.pods.reconcile import Reconcile
from gateway.relay.timing import STANDARD, Timing

log = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.02


@dataclass(slots=True, eq=False)
class _Case:
    """What this gateway remembers of one pod: when things were done last, never what is to
    be done. Times are on the loop's clock, None: not yet."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    lost_s: float | None = None
    asked_s: float | None = None
    reconciled_s: float | None = None
    greeted_as: str | None = None
    trouble: str = ""


class Keeper:
    """One named task an agent, only while there is something to do; event loop only.

    A change of a pod wakes it, and so does a look at all noted pods every few seconds:
    what one gateway left, or could not do, is found there by all of them.
    """

    def __init__(
        self,
        notes: Notes,
        attachments: Attachments,
        ledger: Ledger,
        *,
        drain: Drain,
        lost: Lost,
        reconcile: Reconcile,
        journals: Journals,
        claims: Claims,
        timing: Timing = STANDARD,
    ) -> None:
        self._notes = notes
        self._attachments = attachments
        self._ledger = ledger
        self._drain = drain
        self._lost = lost
        self._reconcile = reconcile
        self._journals = journals
        self._claims = claims
        self._timing = timing
        self._cases: dict[str, _Case] = {}
        self._sweep: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._notes.watch(self._changed)
        self._ledger.tell_gone(self.look)
        self._attachments.tell_greeted(self._greeted)
        self._sweep = asyncio.create_task(self._look_at_all(), name="pods-look")
        self._sweep.add_done_callback(_tell_death)

    async def close(self) -> None:
        """Leave everything to other gateways."""
        tasks = [case.task for case in self._cases.values() if case.task is not None]
        if self._sweep is not None:
            tasks.append(self._sweep)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def look(self, agent_id: str) -> None:
        """Do whatever is to be done for the agent, soon. Returns at once."""
        case = self._cases.setdefault(agent_id, _Case())
        case.wake.set()
        if case.task is None:
            case.task = asyncio.create_task(self._attend(agent_id, case), name=f"pod-{agent_id}")
            case.task.add_done_callback(_tell_death)

    async def drained(self, agent_id: str) -> None:
        """Wait until no message waits outside the agent's journal, and it knows.

        Raises:
            Unavailable: not within `drain_s`.
        """
        case = self._cases.setdefault(agent_id, _Case())
        try:
            async with asyncio.timeout(self._timing.drain_s):
                while not self._is_drained(agent_id):
                    case.changed.clear()
                    self.look(agent_id)
                    await case.changed.wait()
        except TimeoutError as error:
            raise Unavailable(f"agent {agent_id} is not ready for messages yet") from error

    async def drain_now(self, agent_id: str) -> None:
        """Drain it whatever its pod says: the runtime may not have been told.

        Raises:
            GatewayError: not now.
        """
        try:
            async with asyncio.timeout(self._timing.drain_s):
                await self._drain.run(agent_id)
        except TimeoutError as error:
            raise Unavailable(f"agent {agent_id} is not ready for messages yet") from error

    def _is_drained(self, agent_id: str) -> bool:
        pod = self._notes.of(agent_id)
        return pod is not None and pod.drained

    def _changed(self, agent_id: str) -> None:
        """The launcher's news. Most pods have neither notes nor anything to be done."""
        if case := self._cases.get(agent_id):
            case.changed.set()
        pod = self._notes.of(agent_id)
        if pod is not None and (others := claimed_by_others(pod, self._claims.holder)):
            self._attachments.leave(agent_id, others)
            self._ledger.forget(agent_id, list(others))
        if self._wants(agent_id, pod):
            self.look(agent_id)

    def _greeted(self, agent_id: str, drained: str) -> None:
        pod = self._notes.of(agent_id)
        if pod is None or (drained == pod.pod_uid and not pod.notes):
            return
        case = self._cases.setdefault(agent_id, _Case())
        case.greeted_as, case.reconciled_s = drained, None
        self.look(agent_id)

    async def _look_at_all(self) -> None:
        """For life."""
        while True:
            for agent_id in {*self._notes.noted(), *self._ledger.agents()}:
                if self._wants(agent_id, self._notes.of(agent_id)):
                    self.look(agent_id)
            self._forget_idle()
            self._ledger.tidy()
            await asyncio.sleep(self._timing.look_s)

    def _forget_idle(self) -> None:
        noted = set(self._notes.noted())
        for agent_id, case in list(self._cases.items()):
            if case.task is None and agent_id not in noted and not self._ledger.held(agent_id):
                del self._cases[agent_id]

    def _wants(self, agent_id: str, pod: PodNotes | None) -> bool:
        """Whether there may be something to do."""
        if pod is None:
            return bool(self._ledger.held(agent_id))
        if self._has_lost(pod):
            return True
        lives = pod.answers and pod.fate != "lost"
        return lives and (not pod.drained or self._wants_relay(pod))

    def _wants_relay(self, pod: PodNotes) -> bool:
        """Whether to attach one, or to compare what it tells with the notes."""
        case = self._cases.get(pod.agent_id) or _Case()
        opened = any(note.kind == "open" for note in pod.notes.values())
        if not self._attachments.relays(pod.agent_id):
            return opened and _is_due(case.asked_s, self._timing.reattach_s)
        told = case.greeted_as == pod.pod_uid
        return case.greeted_as is not None and (opened or not told) and self._may_compare(case)

    def _may_compare(self, case: _Case) -> bool:
        return _is_due(case.reconciled_s, self._timing.reconcile_s)

    async def _attend(self, agent_id: str, case: _Case) -> None:
        """Until nothing is to be done now."""
        try:
            while True:
                case.wake.clear()
                again_s = await self._try(agent_id, case)
                case.changed.set()
                if case.wake.is_set():
                    continue
                if again_s is None or again_s > self._timing.look_s:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(again_s, _SHORTEST_PAUSE_S)):
                        await case.wake.wait()
        finally:
            case.task = None

    async def _try(self, agent_id: str, case: _Case) -> float | None:
        try:
            again_s = await self._step(agent_id, case)
        except GatewayError as error:
            if str(error) != case.trouble:  # said once: it is tried every few seconds
                log.warning("pod_unattended", extra={"agent": agent_id, "reason": str(error)})
            case.trouble = str(error)
            return None
        case.trouble = ""
        return again_s

    async def _step(self, agent_id: str, case: _Case) -> float | None:
        """Do what is to be done; in how many seconds there is more, None: when it changes."""
        pod = self._notes.of(agent_id)
        if pod is None:
            await self._lost.vanished(agent_id)
            return None
        again_s = None
        if self._has_lost(pod) and self._may_end(pod, case):
            again_s = await self._lost.end(pod)
        if pod.answers and pod.fate != "lost":
            await self._go_on(pod, case)
        return again_s

    async def _go_on(self, pod: PodNotes, case: _Case) -> None:
        """What an agent that lives needs."""
        if not pod.drained:
            pod = await self._drain.run(pod.agent_id)
            case.greeted_as, case.asked_s = pod.pod_uid, None
        if self._wants_relay(pod):
            await self._relayed(pod, case)

    def _has_lost(self, pod: PodNotes) -> bool:
        return bool(losses(pod)) or (pod.fate == "lost" and bool(self._ledger.held(pod.agent_id)))

    def _may_end(self, pod: PodNotes, case: _Case) -> bool:
        """Whoever relays a lost agent comes first: it may hold what nobody else knows."""
        opened = any(note.kind == "open" for note in pod.notes.values())
        if pod.fate != "lost" or not opened or self._ledger.relays(pod.agent_id):
            return True
        now_s = asyncio.get_running_loop().time()
        if case.lost_s is None:
            case.lost_s = now_s
        return now_s - case.lost_s >= self._timing.others_s

    async def _relayed(self, pod: PodNotes, case: _Case) -> None:
        """Somebody relays a pod with open notes, and they tell what its journal tells."""
        now_s = asyncio.get_running_loop().time()
        if not self._attachments.relays(pod.agent_id):
            case.asked_s = now_s
            self._attachments.ensure(pod.agent_id)
            return
        case.reconciled_s = now_s
        if case.greeted_as != pod.pod_uid:
            await self._journals.drained(pod)
            case.greeted_as = pod.pod_uid
        await self._reconcile.run(pod, drained=case.greeted_as)


def _is_due(done_s: float | None, every_s: float) -> bool:
    return done_s is None or asyncio.get_running_loop().time() - done_s >= every_s


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("keeper_died", extra={"task": task.get_name()}, exc_info=error)
