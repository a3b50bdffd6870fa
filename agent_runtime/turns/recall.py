"""What the CLI itself has kept of turns, if it tells now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.protocol import Backend
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import NotRecalled, RuntimeFault
from agent_runtime.journal.history import Spoken
from agent_runtime.journal.journal import Journal

log = logging.getLogger(__name__)

LIMIT_S = 15.0
"""How long a CLI may take to tell what a page needs, with its start; a gateway waits for 20 s."""


class Recall:
    """Asks the backend, for one page at a time; keeps nothing. Event loop only.

    `bring_up` makes the CLI run, if it does not; it is asked for only what is nowhere else.
    """

    def __init__(
        self, journal: Journal, backend: Backend, bring_up: Callable[[], Awaitable[None]]
    ) -> None:
        self._journal = journal
        self._backend = backend
        self._bring_up = bring_up
        self._turn = asyncio.Lock()

    async def of(self, turns: Sequence[Spoken], *, until: float) -> Mapping[int, Recalled]:
        """By number of the turn; without those that it does not tell, whatever the reason.

        A session that is gone does not keep another from being told.

        `until`: of the loop's clock, when there is no more time to ask.
        """
        if Capability.HISTORY not in self._backend.capabilities:
            return {}
        told: dict[int, Recalled] = {}
        wanted = sorted(filter(_better_by_cli, turns), key=attrgetter("session_id", "turn"))
        try:
            async with asyncio.timeout_at(until), self._turn:
                for _, group in groupby(wanted, key=attrgetter("session_id")):
                    told |= await self._of_session(list(group))
        except TimeoutError:
            log.info("history_not_told", extra={"reason": "time is up"})
        except Exception:
            log.exception("history_not_told")
        return told

    async def _of_session(self, turns: Sequence[Spoken]) -> Mapping[int, Recalled]:
        session_id = turns[-1].session_id
        before = self._journal.bookmarks.next(session_id, turns[-1].turn)
        wanted = Bookmarks(session_id, tuple(turn.place for turn in turns), before)
        try:
            found = await self._found(wanted, wake=not all(turn.whole for turn in turns))
        except RuntimeFault as fault:
            log.info("history_not_told", extra={"session": session_id, "reason": str(fault)})
            return {}
        return {turn.turn: found[turn.place] for turn in turns if turn.place in found}

    async def _found(self, wanted: Bookmarks, *, wake: bool) -> Mapping[str, Recalled]:
        try:
            return await self._backend.recall(wanted)
        except NotRecalled as refusal:
            if not (wake and refusal.asleep):
                raise
        await self._bring_up()
        return await self._backend.recall(wanted)


def _better_by_cli(turn: Spoken) -> bool:
    """Of what did not come to its end a CLI keeps less than what it said of it."""
    return bool(turn.place) and turn.ended and (turn.completed or not turn.whole)
