"""What of one turn is on its way to a relay: at most 64 events and 1 MiB beyond the mark."""

from collections import deque

from agent_runtime.journal.cursor import MAX_BYTES, MAX_EVENTS, Cursor, Row
from agent_runtime.journal.rows import Turn


class Window:
    """Owned by one relay session."""

    def __init__(self, turn: Turn, cursor: Cursor) -> None:
        self.turn = turn.turn
        self.request_id = turn.request_id
        self.generation = turn.generation
        self._cursor = cursor
        self._flying: deque[tuple[int, int]] = deque()  # seq, bytes
        self._flying_bytes = 0
        self._final_seq = 0

    def take(self) -> list[Row]:
        """The next rows that fit; one always fits when nothing is on its way."""
        events = MAX_EVENTS - len(self._flying)
        room = MAX_BYTES - self._flying_bytes
        if not events or (self._flying and room <= 0):
            return []
        rows = self._cursor.take(events=events, max_bytes=room, one_at_least=not self._flying)
        for row in rows:
            self._flying.append((row.seq, row.size_bytes))
            self._flying_bytes += row.size_bytes
            if row.response.is_final:
                self._final_seq = row.seq
        return rows

    def settle(self, seq: int) -> bool:
        """Everything up to seq has arrived; False when that was known."""
        if not self._flying or self._flying[0][0] > seq:
            return False
        while self._flying and self._flying[0][0] <= seq:
            self._flying_bytes -= self._flying.popleft()[1]
        return True

    @property
    def done(self) -> bool:
        """The final has been settled."""
        return self._final_seq > 0 and not self._flying
