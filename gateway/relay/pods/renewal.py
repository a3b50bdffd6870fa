"""A turn that is delivered anew to another target: its note has the new ticket, too."""

from dataclasses import replace

from gateway.launchers.notes import Edit, Notes, PodNotes


class Renewal:
    """Only where there is a note; a turn without one gets it from the relay, if it takes long."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def replace(
        self, agent_id: str, request_id: str, *, ticket: bytes, generation: int
    ) -> None:
        """Raises Unavailable: it cannot be written now; redelivering again is safe."""
        pod = self._notes.of(agent_id)
        if pod is None or request_id not in pod.notes:
            return

        def decide(pod: PodNotes) -> Edit | None:
            note = pod.notes.get(request_id)
            if note is None or note.claim is not None or note.generation >= generation:
                return None
            return Edit(put=[replace(note, sealed=ticket, generation=generation)])

        await self._notes.edit(agent_id, decide)
