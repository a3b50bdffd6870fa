"""Reading back while messages wait on a pod: its journal does not know them yet."""

from gateway.delivery.payload import moment
from gateway.launchers.notes import Note, Notes, PodNotes
from gateway.model import TurnPage, TurnReport
from gateway.relay.pods.claims import in_order
from gateway.relay.pods.keeper import Keeper


class Reading:
    """What can be told without the agent, and when it knows all that was accepted."""

    def __init__(self, notes: Notes, keeper: Keeper) -> None:
        self._notes = notes
        self._keeper = keeper

    async def ready(self, agent_id: str) -> None:
        """Wait until the agent's journal has what waited on its pod. Raises Unavailable."""
        pod = self._notes.of(agent_id)
        if pod is not None and not pod.drained:
            await self._keeper.drained(agent_id)

    def turn(self, agent_id: str, request_id: str) -> TurnReport | None:
        """A turn that waits; None: the agent is to be asked."""
        pod = self._never_ready(agent_id)
        note = pod.notes.get(request_id) if pod else None
        return _queued(note) if note is not None and note.kind == "waiting" else None

    def turns(self, agent_id: str) -> TurnPage | None:
        """All that there are while every one waits; None: the agent is to be asked."""
        pod = self._never_ready(agent_id)
        if pod is None or pod.keeps_journal:
            return None
        waiting = (note for note in in_order(pod) if note.kind == "waiting")
        return TurnPage(turns=tuple(map(_queued, waiting)), more=False)

    def _never_ready(self, agent_id: str) -> PodNotes | None:
        pod = self._notes.of(agent_id)
        return pod if pod is not None and not (pod.drained or pod.answers) else None


def _queued(note: Note) -> TurnReport:
    """One that no agent has seen; its options are sealed in the note."""
    return TurnReport(
        request_id=note.request_id,
        state="queued",
        outcome=None,
        first_seq=0,
        last_seq=0,
        acked_seq=0,
        delivery="pending",
        attempts=0,
        next_attempt_at=None,
        last_status=0,
        last_error="",
        rejected_seqs=(),
        generation=1,
        created_at=moment(note.arrived_ms),
    )
