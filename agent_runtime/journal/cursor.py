"""A place in the committed rows of one turn, or of all. Every reader goes through one."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from agent_runtime.errors import Trimmed
from agent_runtime.journal import retention
from proto.agent.v1.agent_pb2 import AgentResponse

MAX_SEQ = 2**63 - 1
"""SQLite's largest integer."""

MAX_EVENTS = 64
MAX_BYTES = 1024 * 1024

_EVENTS_TAG = b"\x0a"
"""Field 1 of relay.v1.Events and relay.v1.ReplayResponse: an AgentResponse."""
_SEQ_TAG = b"\x18"
"""Field 3 of agent.v1.AgentResponse: its seq, which its body lacks."""


@dataclass(frozen=True, slots=True)
class Row:
    """One committed event. `body` is its AgentResponse without seq."""

    seq: int
    body: bytes

    @property
    def size_bytes(self) -> int:
        """What it takes of a window."""
        return len(self.body)

    @property
    def response(self) -> AgentResponse:
        response = AgentResponse.FromString(self.body)
        response.seq = self.seq
        return response


def encoded(rows: Iterable[Row]) -> bytes:
    """These rows as the `events` of a message that lists them in its first field.

    Joined from the bytes as they stand: each would otherwise be parsed, copied and
    written again, which costs more than all the rest of its way to a relay.
    """
    return b"".join([_element(row) for row in rows])


def _element(row: Row) -> bytes:
    seq = _SEQ_TAG + _varint(row.seq)
    return b"".join((_EVENTS_TAG, _varint(len(row.body) + len(seq)), row.body, seq))


def _varint(number: int) -> bytes:
    low = bytearray()
    while number > 0x7F:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    low.append(number)
    return bytes(low)


class Cursor:
    """Reads forward from a seq. `turn` None: the rows of all turns.

    Owned by one task. Reads only what is committed; take() returning nothing
    means that there is nothing more yet. `wanted`: passes over what is not to be
    delivered. `whole`: refuses to pass over what is not kept any more; what was let go
    of before it began is no gap when `after_seq` is None.
    """

    def __init__(
        self,
        reader: sqlite3.Connection,
        turn: int | None,
        after_seq: int | None,
        *,
        whole: bool = False,
        wanted: bool = False,
    ) -> None:
        self._reader = reader
        self._turn = turn
        self.seq = min(after_seq or 0, MAX_SEQ)
        self.left = False
        """Whether the last take left a row because it did not fit."""
        self._whole = whole
        self._wanted = wanted
        forgiving = whole and after_seq is None
        self._forgiven_seq = self._trimmed_seq() if forgiving else 0
        self._trims = retention.trims(reader) if forgiving else 0

    def take(
        self,
        *,
        events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        one_at_least: bool = True,
    ) -> list[Row]:
        """At most so many rows and bytes; `one_at_least`: however large it is.

        Raises:
            Trimmed: the cursor is `whole`, and rows after its place are not kept any more.
        """
        before = self.seq
        taken = self._take(events, max_bytes, one_at_least)
        if self._whole:  # asked last: what went meanwhile may be missing
            self._refuse_gap(before)
        return taken

    def _take(self, events: int, max_bytes: int, one_at_least: bool) -> list[Row]:
        taken: list[Row] = []
        room = max_bytes
        self.left = False
        while not taken:
            seen = 0
            for seq, body in self._rows(events):
                seen += 1
                if body is not None:
                    if len(body) > room and (taken or not one_at_least):
                        self.left = True
                        return taken
                    taken.append(Row(seq, body))
                    room -= len(body)
                self.seq = seq
            if seen < events:
                break
        return taken

    def _rows(self, limit: int) -> sqlite3.Cursor:
        """The next ones; without a body those that this cursor passes over."""
        if self._turn is None:
            query = "SELECT seq, body FROM events WHERE seq > :seq ORDER BY seq LIMIT :limit"
        elif self._wanted:
            query = (
                "SELECT seq, CASE wanted WHEN 1 THEN body END FROM events"
                " WHERE turn = :turn AND seq > :seq ORDER BY seq LIMIT :limit"
            )
        else:
            query = (
                "SELECT seq, body FROM events"
                " WHERE turn = :turn AND seq > :seq ORDER BY seq LIMIT :limit"
            )
        given = {"turn": self._turn, "seq": self.seq, "limit": limit}
        return self._reader.execute(query, given)

    def _refuse_gap(self, after_seq: int) -> None:
        trimmed = self._trimmed_seq()
        if trimmed <= max(after_seq, self._forgiven_seq) and not self._lost_more(after_seq):
            return
        raise Trimmed(f"events up to seq {trimmed} are not kept any more")

    def _lost_more(self, after_seq: int) -> bool:
        """Of what was forgiven some may have been kept, and have gone since."""
        if self._turn is not None or after_seq >= self._forgiven_seq:
            return False
        return retention.trims(self._reader) != self._trims

    def _trimmed_seq(self) -> int:
        if self._turn is None:
            return retention.trimmed_seq(self._reader)
        row = self._reader.execute(
            "SELECT trimmed_seq FROM turns WHERE turn = ?", (self._turn,)
        ).fetchone()
        return int(row[0]) if row else 0
