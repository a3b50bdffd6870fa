"""Orphans: lost turns that no pod is left to be noted on."""

import asyncio
import logging
from collections.abc import Iterable

from gateway.launchers.notes import Note
from gateway.relay.pods.claims import Claims
from gateway.relay.pods.finals import Finals

log = logging.getLogger(__name__)

MAX_ORPHANS = 1000
"""Of all agents; the ledger keeps what is beyond until there is room."""
_SHORTEST_WAIT_S = 0.05


class Orphans:
    """Sends their finals from memory: one task a turn, within the retry budget.

    This is all that is left of a turn that was younger than its note when its pod
    vanished. It ends with this gateway.
    """

    def __init__(self, finals: Finals, claims: Claims) -> None:
        self._finals = finals
        self._claims = claims
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def room(self) -> int:
        """How many more may be adopted."""
        return MAX_ORPHANS - len(self._tasks)

    def adopt(self, agent_id: str, notes: Iterable[Note]) -> None:
        """Notes as they would have been claimed on the pod; no more than there is room for."""
        for note in notes:
            key = (agent_id, note.request_id)
            if key in self._tasks:
                continue
            task = asyncio.create_task(
                self._send(agent_id, note), name=f"orphan-{agent_id}-{note.request_id}"
            )
            self._tasks[key] = task
            task.add_done_callback(lambda task, key=key: self._done(key, task))  # type: ignore[misc]

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _send(self, agent_id: str, note: Note) -> None:
        while (left := await self._finals.attempt(agent_id, note)) is not None:
            note = left
            assert left.claim is not None
            wait_s = (left.claim.not_before_ms - self._claims.clock_ms()) / 1000
            await asyncio.sleep(max(wait_s, _SHORTEST_WAIT_S))

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        agent_id, request_id = key
        fields = {"agent": agent_id, "request_id": request_id}
        if task.cancelled():
            log.error("turn_lost_without_final", extra=fields)
        elif error := task.exception():
            log.error("orphan_died", extra=fields, exc_info=error)
