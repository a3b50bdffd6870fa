"""What has not been settled yet: what is to be delivered, and when."""

import sqlite3

from agent_runtime.journal import statements
from agent_runtime.journal.rows import MAX_PARK_MS, Standing, Turn

MAX_REJECTED = 100
"""Seqs of one turn that are told; of a long one all may have been rejected."""

_UNDELIVERED = "settled = 0 AND ticket IS NOT NULL AND abandoned IS NULL"


class Outstanding:
    """Reads what is committed. Event loop only."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    def undelivered(self) -> list[int]:
        """The numbers of the turns that a relay has to deliver, in order of arrival."""
        rows = self._reader.execute(
            f"SELECT turn FROM turns WHERE {_UNDELIVERED} ORDER BY turn"  # noqa: S608 - ours
        )
        return [turn for (turn,) in rows]

    def undelivered_turn(self, turn: int) -> Turn | None:
        """That turn, if a relay has to deliver it."""
        found = statements.turns(self._reader, f"turn = ? AND {_UNDELIVERED}", (turn,))
        return found[0] if found else None

    def standing(self, turn: int) -> Standing | None:
        """Where the delivery of that turn stands; None when there is nothing to deliver."""
        query = f"SELECT generation, next_attempt_ms FROM turns WHERE turn = ? AND {_UNDELIVERED}"  # noqa: S608 - ours
        row = self._reader.execute(query, (turn,)).fetchone()
        return Standing(*row) if row else None

    def due_in_ms(self) -> int | None:
        """When something is to be delivered: 0 for now; None when there is nothing."""
        now = statements.now_ms()
        first_due = "min(CASE WHEN next_attempt_ms > ? THEN 0 ELSE next_attempt_ms END)"
        query = f"SELECT {first_due} FROM turns WHERE {_UNDELIVERED}"  # noqa: S608 - ours
        (first,) = self._reader.execute(query, (now + MAX_PARK_MS,)).fetchone()
        return None if first is None else max(0, int(first) - now)

    def has_unsettled(self) -> bool:
        row = self._reader.execute("SELECT 1 FROM turns WHERE settled = 0 LIMIT 1").fetchone()
        return row is not None

    def rejected(self, turn: int) -> list[int]:
        """The first seqs, MAX_REJECTED at most, that the receiver refused for good."""
        query = "SELECT seq FROM rejects WHERE turn = ? ORDER BY seq LIMIT ?"
        rows = self._reader.execute(query, (turn, MAX_REJECTED))
        return [seq for (seq,) in rows]
