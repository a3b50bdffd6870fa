"""What one pod and its notes ask for, and doing it."""

import asyncio
from dataclasses import dataclass

from gateway.launchers.notes import Notes, PodNotes
from gateway.relay.attach import Attachments
from gateway.relay.pods.claims import losses
from gateway.relay.pods.drain import Drain
from gateway.relay.pods.journals import Journals
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.lost import Lost
from gateway.relay.pods.reconcile import Reconcile
from gateway.relay.timing import STANDARD, Timing


@dataclass(slots=True, eq=False)
class _Done:
    """When something was done last for one pod, on the loop's clock; None: not yet.

    That paces this gateway; what there is to do is never remembered.
    """

    lost_s: float | None = None
    attached_s: float | None = None
    compared_s: float | None = None


class Care:
    """Looks at a pod as it is, and does what it finds; for one agent one call at a time."""

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
        timing: Timing = STANDARD,
    ) -> None:
        self._notes = notes
        self._attachments = attachments
        self._ledger = ledger
        self._drain = drain
        self._lost = lost
        self._reconcile = reconcile
        self._journals = journals
        self._timing = timing
        self._done: dict[str, _Done] = {}

    def wanted(self, agent_id: str) -> bool:
        """Whether there may be something to do."""
        pod = self._notes.of(agent_id)
        if pod is None:
            return bool(self._ledger.held(agent_id))
        if _is_lost(pod, self._ledger):
            return True
        if not pod.answers or pod.fate == "lost":
            return False
        return (
            not pod.drained
            or self._wants_notes(pod)
            or self._wants_relay(pod)
            or self._may_compare(pod)
        )

    async def give(self, agent_id: str) -> float | None:
        """Do what there is; in how many seconds there is more, None: when it changes.

        Raises:
            GatewayError: not now.
        """
        pod = self._notes.of(agent_id)
        if pod is None:
            await self._lost.vanished(agent_id)
            return None
        again_s = None
        if _is_lost(pod, self._ledger) and self._may_end(pod):
            again_s = await self._lost.end(pod)
        if pod.answers and pod.fate != "lost":
            await self._go_on(pod)
        return again_s

    def compare_soon(self, agent_id: str) -> None:
        """A relay has begun: its notes may be older than its journal."""
        self._of(agent_id).compared_s = None

    def forget(self, agent_id: str) -> None:
        self._done.pop(agent_id, None)

    async def _go_on(self, pod: PodNotes) -> None:
        """What an agent that lives needs: to be drained, relayed, and told of truly."""
        if not pod.drained:
            pod = await self._drain.run(pod.agent_id)
        if self._wants_notes(pod):
            await self._attachments.renew(pod.agent_id)
        elif self._wants_relay(pod):
            self._of(pod.agent_id).attached_s = _now()
            self._attachments.ensure(pod.agent_id)
        elif self._may_compare(pod):
            self._of(pod.agent_id).compared_s = _now()
            await self._compare(pod)

    async def _compare(self, pod: PodNotes) -> None:
        drained_as = self._ledger.drained_as(pod.agent_id)
        if drained_as != pod.pod_uid:
            await self._journals.drained(pod)
            self._ledger.drained(pod.agent_id, pod.pod_uid)
        await self._reconcile.run(pod)

    def _wants_notes(self, pod: PodNotes) -> bool:
        """An agent that is deleted loses its volume: what it still owes is noted from then on."""
        return not pod.keeps_journal and self._attachments.relays_unnoted(pod.agent_id)

    def _wants_relay(self, pod: PodNotes) -> bool:
        if not _has_open(pod) or self._attachments.relays(pod.agent_id):
            return False
        return _is_due(self._of(pod.agent_id).attached_s, self._timing.reattach_s)

    def _may_compare(self, pod: PodNotes) -> bool:
        drained_as = self._ledger.drained_as(pod.agent_id)
        if drained_as is None or not (_has_open(pod) or drained_as != pod.pod_uid):
            return False
        return _is_due(self._of(pod.agent_id).compared_s, self._timing.reconcile_s)

    def _may_end(self, pod: PodNotes) -> bool:
        """Whoever relays a lost agent comes first: it may hold what nobody else knows."""
        if pod.fate != "lost" or not _has_open(pod) or self._ledger.relays(pod.agent_id):
            return True
        done = self._of(pod.agent_id)
        if done.lost_s is None:
            done.lost_s = _now()
        return _is_due(done.lost_s, self._timing.others_s)

    def _of(self, agent_id: str) -> _Done:
        return self._done.setdefault(agent_id, _Done())


def _is_lost(pod: PodNotes, ledger: Ledger) -> bool:
    return bool(losses(pod)) or (pod.fate == "lost" and bool(ledger.held(pod.agent_id)))


def _has_open(pod: PodNotes) -> bool:
    return any(note.kind == "open" for note in pod.notes.values())


def _is_due(done_s: float | None, every_s: float) -> bool:
    return done_s is None or _now() - done_s >= every_s


def _now() -> float:
    return asyncio.get_running_loop().time()
