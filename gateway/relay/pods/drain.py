"""Draining: the messages that waited on a pod come into its journal, in order of arrival.

Any gateway does it, any number at once. All submit in the same order and none goes on
before the last one was taken, so the order holds; the journal knows what it has. Only when
nothing waits any more is the pod marked as drained, and then its runtime told.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.errors import GatewayError, SealBroken, Unavailable
from gateway.keyring import Keyring
from gateway.launchers.notes import Edit, Note, Notes, PodNotes
from gateway.relay.pods import sealed
from gateway.relay.pods.claims import LASTS_MS, Claims, Loss
from gateway.relay.pods.journals import Journals, Refused

log = logging.getLogger(__name__)

ROUNDS = 100
"""In each, what has come to wait meanwhile is submitted."""
UNREADABLE_MS = 24 * 3600 * 1000
"""A note that no key opens keeps its pod undrained for so long at most."""


class Drain:
    """Drains one pod at a time on behalf of the one who looks after it."""

    def __init__(
        self,
        notes: Notes,
        journals: Journals,
        keyring: Keyring,
        claims: Claims,
        *,
        submitted: Callable[[str], None],
    ) -> None:
        """`submitted` is told of agents that have something to deliver now."""
        self._notes = notes
        self._tell_submitted = submitted
        self._journals = journals
        self._keyring = keyring
        self._claims = claims

    async def run(self, agent_id: str) -> PodNotes:
        """Until the pod and its runtime are drained.

        Raises:
            GatewayError: not now; what was submitted is not lost, and begun anew it goes on.
        """
        for _ in range(ROUNDS):
            claimed = await self._claim(agent_id)
            became: dict[str, Note | None] = {}
            try:
                await self._submit(agent_id, claimed, became)
            except GatewayError:
                await self._settle(agent_id, became)
                raise
            pod = await self._settle(agent_id, became)
            if pod.drained:
                await self._journals.drained(pod)
                return pod
        raise Unavailable(f"agent {agent_id} gets messages faster than they can be drained")

    async def _claim(self, agent_id: str) -> Sequence[Note]:
        """The waiting notes, under claims of ours."""
        claimed: list[Note] = []

        def decide(pod: PodNotes) -> Edit | None:
            claimed.clear()
            if pod.drained:
                return None
            free = self._claims.to_submit(pod)
            if free is None:
                raise Unavailable(f"agent {agent_id} is being drained by another gateway")
            claimed.extend(free)
            return Edit(put=free) if free else None

        await self._notes.edit(agent_id, decide)
        return claimed

    async def _submit(
        self, agent_id: str, claimed: Sequence[Note], became: dict[str, Note | None]
    ) -> None:
        """Each in its turn, as long as the claims last; `became` says what each note is then."""
        now = asyncio.get_running_loop().time
        ends_s = now() + LASTS_MS / 1000 / 3
        pod = self._notes.of(agent_id)
        if pod is None:
            raise Unavailable(f"the pod of agent {agent_id} is not there")
        for note in claimed:
            if now() > ends_s:
                return
            became[note.request_id] = await self._hand_over(pod, note)

    async def _hand_over(self, pod: PodNotes, note: Note) -> Note | None:
        """What the note is from now on; None: nothing is to be noted of its turn any more."""
        fields = {"agent": pod.agent_id, "request_id": note.request_id}
        try:
            submit = sealed.unseal(self._keyring, pod.agent_id, note)
        except SealBroken as error:
            log.error("note_unusable", extra={**fields, "reason": str(error)})  # noqa: TRY400 - no fault of ours
            if self._claims.clock_ms() - note.arrived_ms < UNREADABLE_MS:
                raise
            return None
        try:
            taken = await self._journals.submit(pod, submit)
        except Refused as error:
            log.warning("waiting_message_refused", extra={**fields, "reason": str(error)})
            return self._claims.ending(note, Loss("SEND_FAILED", str(error), apart=True))
        if not taken:
            log.error("waiting_message_conflicts", extra=fields)
            return None
        if not submit.ticket:
            return None
        self._tell_submitted(pod.agent_id)
        if pod.keeps_journal:
            return None
        return replace(note, kind="open", sealed=submit.ticket, digest="", claim=None)

    async def _settle(self, agent_id: str, became: Mapping[str, Note | None]) -> PodNotes:
        """Write what was submitted, and that nothing waits any more where that is so."""

        def decide(pod: PodNotes) -> Edit | None:
            if pod.drained:
                return None
            ours = {
                name: note
                for name, note in became.items()
                if name in pod.notes
                and pod.notes[name].kind == "waiting"
                and not pod.notes[name].doomed
            }
            waits = [
                name
                for name, note in pod.notes.items()
                if note.kind == "waiting" and not note.doomed and name not in ours
            ]
            put = [note for note in ours.values() if note is not None]
            drop = [name for name, note in ours.items() if note is None]
            if not (put or drop) and waits:
                return None
            return Edit(put=put, drop=drop, drained=not waits)

        return await self._notes.edit(agent_id, decide)
