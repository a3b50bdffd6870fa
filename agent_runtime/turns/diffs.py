"""What a turn, or all turns, have changed in the workspace."""

from dataclasses import dataclass

from agent_runtime.errors import Trimmed
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Snapshot
from agent_runtime.turns.snapshots import Snapshots
from agent_runtime.workspace.changes import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """`turns`: the request ids of those whose work it is, of a turn that was asked for.
    Between `since_ms` and `until_ms`, 0 where nothing has run."""

    changes: Changes
    turns: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = 0


class Diffs:
    """Keeps nothing; event loop only."""

    def __init__(self, journal: Journal, snapshots: Snapshots) -> None:
        self._journal = journal
        self._snapshots = snapshots

    async def of_all(self) -> Diff:
        """Since the workspace was first seen.

        Raises:
            Trimmed: it has not been seen before the turn that runs.
            NoDiff, GitFailed, Exhausted
        """
        first = await self._snapshots.first()
        if first is None:
            raise Trimmed("the workspace was not seen before this agent's turns; ask when they end")
        changes, until_ms = await self._snapshots.changes(first, None)
        return Diff(changes=changes, since_ms=first.taken_ms, until_ms=until_ms)

    async def of_turn(self, request_id: str) -> Diff:
        """Of a turn that runs up to now; of one that did not run, nothing.

        Raises:
            UnknownTurn
            Trimmed: the workspace as it was before or after is not kept.
            NoDiff, GitFailed, Exhausted
        """
        number = self._journal.snapshots.before(self._journal.turn(request_id).turn)
        if number is None:
            return Diff(changes=Changes())
        before = self._bounds(request_id, number)
        changes, until_ms = await self._snapshots.changes(before, number + 1)
        return Diff(
            changes=changes,
            turns=tuple(self._journal.snapshots.turns_after(number)),
            since_ms=before.taken_ms,
            until_ms=until_ms,
        )

    def _bounds(self, request_id: str, number: int) -> Snapshot:
        """The snapshot before, if the one after it is there or still to come."""
        book = self._journal.snapshots
        before, latest = book.numbered(number), book.latest()
        if before is None or (latest != before and book.numbered(number + 1) is None):
            raise Trimmed(f"the workspace as it was around turn {request_id} is not kept")
        return before
