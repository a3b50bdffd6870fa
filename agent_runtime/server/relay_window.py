"""What of one turn is on its way to a relay: at most 64 events and 1 MiB beyond the mark."""

from collections import deque

from agent_runtime.journal.cursor import MAX_BYTES, MAX_EVENTS, Cursor, Row
from agent_runtime.journal.rows import Turn


class Window:
    """One turn as it was opened on one relay. Owned by that relay's session."""

    def __init__(self, turn: Turn, cursor: Cursor) -> None:
        self.turn = turn.turn
        self.request_id = turn.request_id
        self.generation = turn.generation
        self.closing = False
        """Whether the relay has let go of it, which is not on disk yet."""
        self.told_attempts = turn.attempts
        """Failed attempts of the next event to be settled that the relay was told of."""
        self.sent_seq = turn.acked_seq
        self._cursor = cursor
        self._flying: deque[tuple[int, int]] = deque()  # seq, bytes
        self._flying_bytes = 0

    @property
    def flying(self) -> int:
        """How many events are on their way."""
        return len(self._flying)

    @property
    def blocked(self) -> bool:
        """Whether what may come next is not sent before something is settled."""
        return self._full or self._cursor.left

    def take(self) -> list[Row]:
        """The next rows that fit; one always fits when nothing is on its way."""
        if self.closing or self._full:
            return []
        events, room = MAX_EVENTS - self.flying, MAX_BYTES - self._flying_bytes
        rows = self._cursor.take(events=events, max_bytes=room, one_at_least=not self._flying)
        for row in rows:
            self._flying.append((row.seq, row.size_bytes))
            self._flying_bytes += row.size_bytes
            self.sent_seq = row.seq
        return rows

    def settle(self, seq: int) -> bool:
        """Everything up to seq has arrived; False when that was known."""
        if not self._flying or self._flying[0][0] > seq:
            return False
        while self._flying and self._flying[0][0] <= seq:
            self._flying_bytes -= self._flying.popleft()[1]
        self.told_attempts = 0
        return True

    @property
    def _full(self) -> bool:
        return self.flying == MAX_EVENTS or self._flying_bytes >= MAX_BYTES
