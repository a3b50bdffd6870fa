"""The keeper: every pod that asks for something is cared for, soon and again and again."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from gateway.errors import GatewayError, Unavailable
from gateway.launchers.notes import Notes
from gateway.relay.attach import Attachments
from gateway.relay.pods.care import Care
from gateway.relay.pods.claims import Claims, claimed_by_others
from gateway.relay.pods.ledger import Ledger
from gateway.relay.timing import STANDARD, Timing

log = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.02


@dataclass(slots=True, eq=False)
class _Case:
    """One agent's task, what wakes it, who waits for news, and what went wrong last."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
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
        care: Care,
        claims: Claims,
        *,
        timing: Timing = STANDARD,
    ) -> None:
        self._notes = notes
        self._attachments = attachments
        self._ledger = ledger
        self._care = care
        self._claims = claims
        self._timing = timing
        self._cases: dict[str, _Case] = {}
        self._round: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._notes.watch(self._changed)
        self._ledger.tell_gone(self.look)
        self._attachments.tell_greeted(self._greeted)
        self._round = asyncio.create_task(self._look_at_all(), name="pods-look")
        self._round.add_done_callback(_tell_death)

    async def close(self) -> None:
        """Leave everything to other gateways."""
        self._closing = True
        tasks = [case.task for case in self._cases.values() if case.task is not None]
        if self._round is not None:
            tasks.append(self._round)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def look(self, agent_id: str) -> None:
        """Do whatever is to be done for the agent, soon. Returns at once."""
        if self._closing:
            return
        case = self._cases.setdefault(agent_id, _Case())
        case.wake.set()
        if case.task is None:
            case.task = asyncio.create_task(self._attend(agent_id, case), name=f"pod-{agent_id}")
            case.task.add_done_callback(_tell_death)

    async def drained(self, agent_id: str) -> None:
        """Wait until no message waits outside the agent's journal.

        Raises:
            Unavailable: not within `drain_s`.
        """
        case = self._cases.setdefault(agent_id, _Case())
        try:
            async with asyncio.timeout(self._timing.drain_s):
                while not self._is_drained(agent_id):
                    case.news.clear()
                    self.look(agent_id)
                    await case.news.wait()
        except TimeoutError as error:
            raise Unavailable(f"agent {agent_id} is not ready for messages yet") from error

    def _is_drained(self, agent_id: str) -> bool:
        pod = self._notes.of(agent_id)
        return pod is not None and pod.drained

    def _changed(self, agent_id: str) -> None:
        """The launcher's news. Most pods have neither notes nor anything to be done."""
        if case := self._cases.get(agent_id):
            case.news.set()
        pod = self._notes.of(agent_id)
        if pod is not None and (others := claimed_by_others(pod, self._claims.holder)):
            self._attachments.leave(agent_id, others)
            self._ledger.forget(agent_id, others)
        if self._care.wanted(agent_id):
            self.look(agent_id)

    def _greeted(self, agent_id: str) -> None:
        self._care.compare_soon(agent_id)
        if self._care.wanted(agent_id):
            self.look(agent_id)

    async def _look_at_all(self) -> None:
        """For life."""
        while True:
            noted = {*self._notes.noted(), *self._ledger.agents()}
            for agent_id in noted:
                if self._care.wanted(agent_id):
                    self.look(agent_id)
            for agent_id in [name for name in self._cases if name not in noted]:
                self._forget(agent_id)
            self._ledger.tidy()
            await asyncio.sleep(self._timing.look_s)

    def _forget(self, agent_id: str) -> None:
        if self._cases[agent_id].task is None:
            del self._cases[agent_id]
            self._care.forget(agent_id)

    async def _attend(self, agent_id: str, case: _Case) -> None:
        """Until nothing is to be done now."""
        try:
            while True:
                case.wake.clear()
                again_s = await self._try(agent_id, case)
                case.news.set()
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
            again_s = await self._care.give(agent_id)
        except GatewayError as error:
            if str(error) != case.trouble:  # said once: it is tried every few seconds
                log.warning("pod_unattended", extra={"agent": agent_id, "reason": str(error)})
            case.trouble = str(error)
            return None
        case.trouble = ""
        return again_s


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("keeper_died", extra={"task": task.get_name()}, exc_info=error)
