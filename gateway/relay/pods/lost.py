"""Lost turns: their finals, sent under claims on their notes.

In rounds: everything that is due is claimed by one change, posted once, and what came
of it is written by another one. So a round is short, its claims need no renewal, and
whatever has to wait waits on the pod.
"""

import asyncio
import logging
from collections.abc import Mapping

from gateway.errors import Exhausted, NotFound
from gateway.launchers.notes import Edit, Note, Notes, PodNotes
from gateway.relay.attach import Attachments
from gateway.relay.pods.claims import AT_ONCE, Claims, Loss, losses, next_due_ms
from gateway.relay.pods.finals import Finals
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.open_notes import Held
from gateway.relay.pods.orphans import Orphans

log = logging.getLogger(__name__)

_VANISHED = Loss("AGENT_LOST", "the agent's pod is gone")
ROUNDS = 100


class Lost:
    """Ends the lost turns of one agent at a time on behalf of the one who looks after it."""

    def __init__(
        self,
        notes: Notes,
        attachments: Attachments,
        ledger: Ledger,
        finals: Finals,
        orphans: Orphans,
        claims: Claims,
    ) -> None:
        self._notes = notes
        self._attachments = attachments
        self._ledger = ledger
        self._finals = finals
        self._orphans = orphans
        self._claims = claims

    async def end(self, pod: PodNotes) -> float | None:
        """End what is due; in how many seconds something is due again here, None: nothing is.

        Raises:
            GatewayError: not now; nothing is forgotten.
        """
        agent_id = pod.agent_id
        if pod.fate == "lost":
            await self._attachments.release(agent_id)
        for _ in range(ROUNDS):
            try:
                claimed, pod = await self._claim(agent_id)
            except NotFound:
                await self.vanished(agent_id)
                return None
            if not claimed:
                break
            outcomes = await asyncio.gather(*(self._attempt(agent_id, note) for note in claimed))
            await self._notes.edit(agent_id, lambda pod: self._tried(pod, dict(outcomes)))  # noqa: B023 - awaited here
        return self._next_s(pod)

    async def vanished(self, agent_id: str) -> None:
        """The pod is gone, with whatever was not noted on it. What there is no room for now stays
        in the ledger: whoever looks at it again calls again.

        Raises:
            GatewayError: it may be there after all.
        """
        if not self._ledger.held(agent_id):
            return
        try:
            await self._notes.edit(agent_id, lambda _: None)
        except NotFound:
            pass
        else:
            return
        await self._attachments.release(agent_id)
        held = list(self._ledger.held(agent_id).items())[: self._orphans.room]
        if not held:
            return
        notes = [_note(name, turn) for name, turn in held]
        self._ledger.forget(agent_id, [note.request_id for note in notes])
        log.warning("pod_vanished", extra={"agent": agent_id, "turns": len(notes)})
        self._orphans.adopt(agent_id, [self._claims.ending(note, _VANISHED) for note in notes])

    async def _claim(self, agent_id: str) -> tuple[list[Note], PodNotes]:
        try:
            return await self._claim_up_to(AT_ONCE, agent_id)
        except Exhausted:  # others have written on the pod, too; every final makes room
            return await self._claim_up_to(1, agent_id)

    async def _claim_up_to(self, most: int, agent_id: str) -> tuple[list[Note], PodNotes]:
        claimed: list[Note] = []

        def decide(pod: PodNotes) -> Edit | None:
            unnoted = self._unnoted(pod)
            claimed[:] = self._claims.to_end(pod, losses(pod), unnoted=unnoted, most=most)
            return Edit(put=list(claimed)) if claimed else None

        pod = await self._notes.edit(agent_id, decide)
        self._ledger.forget(agent_id, [name for name, note in pod.notes.items() if note.doomed])
        return claimed, pod

    def _unnoted(self, pod: PodNotes) -> list[Note]:
        """Turns that were too young for a note when the pod was lost."""
        if pod.fate != "lost" or pod.keeps_journal:
            return []
        held = self._ledger.held(pod.agent_id)
        return [_note(name, turn) for name, turn in held.items() if name not in pod.notes]

    async def _attempt(self, agent_id: str, note: Note) -> tuple[str, Note | None]:
        return note.request_id, await self._finals.attempt(agent_id, note)

    def _tried(self, pod: PodNotes, outcomes: Mapping[str, Note | None]) -> Edit | None:
        ours = {
            name: note for name, note in outcomes.items() if self._claims.mine(pod.notes.get(name))
        }
        put = [note for note in ours.values() if note is not None]
        drop = [name for name, note in ours.items() if note is None]
        return Edit(put=put, drop=drop) if ours else None

    def _next_s(self, pod: PodNotes) -> float | None:
        mine = [note for note in pod.notes.values() if note.doomed and self._claims.mine(note)]
        due_ms = next_due_ms(mine)
        return None if due_ms is None else max(due_ms - self._claims.clock_ms(), 0) / 1000


def _note(request_id: str, held: Held) -> Note:
    return Note(
        request_id=request_id,
        kind="open",
        sealed=held.ticket,
        arrived_ms=0,
        generation=held.generation,
    )
