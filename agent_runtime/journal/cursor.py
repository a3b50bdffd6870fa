"""A place in the committed rows of one turn, or of all. Every reader goes through one."""

import sqlite3
from dataclasses import dataclass

from agent_runtime.errors import Trimmed
from agent_runtime.journal.retention import TRIMMED_FACT
from proto.agent.v1.agent_pb2 import AgentResponse

MAX_SEQ = 2**63 - 1
"""SQLite's largest integer."""

MAX_EVENTS = 64
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One committed event. `size_bytes` is what it takes of a window."""

    turn: int
    seq: int
    size_bytes: int
    response: AgentResponse


class Cursor:
    """Reads forward from a seq. `turn` None: the rows of all turns.

    Owned by one task. Reads only what is committed; take() returning nothing
    means that there is nothing more yet.
    """

    def __init__(
        self, reader: sqlite3.Connection, turn: int | None, after_seq: int, *, whole: bool
    ) -> None:
        self._reader = reader
        self._turn = turn
        self.seq = min(after_seq, MAX_SEQ)
        self._whole = whole

    def stay_whole(self) -> None:
        """From here on a gap is an error, also in mid-stream."""
        self._whole = True

    def take(
        self, *, events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES, one_at_least: bool = True
    ) -> list[Row]:
        """At most so many rows and bytes; `one_at_least`: however large it is.

        Raises:
            Trimmed: the cursor is `whole`, and rows after its place are not kept any more.
        """
        if self._whole:
            self._refuse_gap()
        taken: list[Row] = []
        room = max_bytes
        for turn, seq, body in self._rows(events):
            if len(body) > room and (taken or not one_at_least):
                break
            response = AgentResponse.FromString(body)
            response.seq = seq
            taken.append(Row(turn, seq, len(body), response))
            room -= len(body)
        if taken:
            self.seq = taken[-1].seq
        return taken

    def _rows(self, limit: int) -> sqlite3.Cursor:
        if self._turn is None:
            return self._reader.execute(
                "SELECT turn, seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
                (self.seq, limit),
            )
        return self._reader.execute(
            "SELECT turn, seq, body FROM events WHERE turn = ? AND seq > ? ORDER BY seq LIMIT ?",
            (self._turn, self.seq, limit),
        )

    def _refuse_gap(self) -> None:
        if self._turn is None:
            row = self._reader.execute(
                "SELECT CAST(value AS INTEGER) FROM facts WHERE name = ?", (TRIMMED_FACT,)
            ).fetchone()
        else:
            row = self._reader.execute(
                "SELECT trimmed_seq FROM turns WHERE turn = ?", (self._turn,)
            ).fetchone()
        if row and (row[0] or 0) > self.seq:
            raise Trimmed(f"events up to seq {row[0]} are not kept any more")
