"""Reconciling: open notes and the journal tell the same of every turn.

A note stays behind when its gateway died between the last mark and its removal, or the
API server was away. A turn stays behind when its journal was lost but not its pod.
"""

import logging

from gateway.launchers.notes import Edit, Note, Notes, PodNotes
from gateway.relay.pods.claims import Claims, Loss
from gateway.relay.pods.journals import Journals
from gateway.relay.pods.ledger import Ledger

log = logging.getLogger(__name__)

_SETTLED = ("delivered", "abandoned", "none")
_UNKNOWN = Loss("AGENT_LOST", "the agent's journal does not know this turn any more", apart=True)


class Reconcile:
    """Asks the journal about notes that this gateway's relay has not opened."""

    def __init__(self, notes: Notes, journals: Journals, ledger: Ledger, claims: Claims) -> None:
        self._notes = notes
        self._journals = journals
        self._ledger = ledger
        self._claims = claims

    async def run(self, pod: PodNotes) -> None:
        """What is settled loses its note; what a drained journal does not know is lost.

        Raises:
            GatewayError: not now.
        """
        settled, unknown = await self._asked(pod)
        if not (settled or unknown):
            return

        def decide(now: PodNotes) -> Edit | None:
            # A turn that was begun anew meanwhile has another note.
            drop = [note.request_id for note in settled if now.notes.get(note.request_id) == note]
            lost = [note for note in unknown if now.notes.get(note.request_id) == note]
            put = [self._claims.ending(note, _UNKNOWN) for note in lost]
            return Edit(put=put, drop=drop) if put or drop else None

        await self._notes.edit(pod.agent_id, decide)
        names = [note.request_id for note in unknown]
        fields = {"agent": pod.agent_id, "settled": len(settled), "lost": names}
        log.info("notes_reconciled", extra=fields)

    async def _asked(self, pod: PodNotes) -> tuple[list[Note], list[Note]]:
        """Notes of turns that are settled, and of turns that the journal should know."""
        drained_as = self._ledger.drained_as(pod.agent_id)
        settled: list[Note] = []
        unknown: list[Note] = []
        for note in self._unaccounted(pod):
            turn = await self._journals.turn(pod, note.request_id)
            if turn is not None and turn.delivery in _SETTLED:
                settled.append(note)
            elif turn is None and drained_as == pod.pod_uid:
                unknown.append(note)
        return settled, unknown

    def _unaccounted(self, pod: PodNotes) -> list[Note]:
        held = self._ledger.held(pod.agent_id)
        return [
            note
            for name, note in pod.notes.items()
            if note.kind == "open" and note.claim is None and name not in held
        ]
