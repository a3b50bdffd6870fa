"""The process groups of this runtime's CLIs, in the journal; the next runtime ends what is left."""

import json
import logging
from dataclasses import astuple

from agent_runtime.journal.journal import Journal
from agent_runtime.process_table import ProcessGroup
from agent_runtime.processes import end_leftover

log = logging.getLogger(__name__)

_FACT = "process_groups"


class JournalledGroups:
    """The living groups, as a fact of the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(self, groups: frozenset[ProcessGroup]) -> None:
        """Durable when this returns."""
        await self._journal.put_fact(_FACT, json.dumps([astuple(group) for group in groups]))

    async def end_leftovers(self) -> None:
        """End what a runtime that was killed has left running."""
        for told in json.loads(self._journal.fact(_FACT) or "[]"):
            group = ProcessGroup(*told)
            log.info("ending_leftover", extra={"pgid": group.pgid})
            await end_leftover(group)
        await self.record(frozenset())
