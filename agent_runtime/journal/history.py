"""The messages that a journal still knows, with what became of them."""

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from google.protobuf.message import DecodeError

from agent_runtime.journal.rows import CommandKind
from proto.agent.v1.agent_pb2 import OUTCOME_COMPLETED, AgentRequest, AgentResponse
from proto.relay.v1 import relay_pb2

_KEPT = "(trimmed_seq < last_seq OR final_seq = 0)"
_BEGUN = f"""
SELECT turns.turn, turns.request_id, turns.created_ms, state = {relay_pb2.TURN_STATE_ENDED},
    outcome = {OUTCOME_COMPLETED}, {_KEPT}, trimmed_seq < first_seq OR first_seq = 0,
    coalesce(session_id, ''), coalesce(place, '')
FROM turns LEFT JOIN bookmarks USING (turn)
WHERE kind = {CommandKind.MESSAGE:d} AND state != {relay_pb2.TURN_STATE_QUEUED}
    AND ({_KEPT} OR place IS NOT NULL)
"""  # noqa: S608 - constants
_FORGOTTEN = """
SELECT turn, request_id, created_ms, 1, 0, 0, 0, session_id, place
FROM bookmarks WHERE NOT EXISTS (SELECT 1 FROM turns WHERE turns.turn = bookmarks.turn)
"""
_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A turn of the conversation.

    `completed`: it is known to have; `kept`: some of its events are still there; `whole`:
    none has gone. `session_id` and `place` are its bookmark's, "" where it has none.
    """

    turn: int
    request_id: str
    created_ms: int
    ended: bool
    completed: bool
    kept: bool
    whole: bool
    session_id: str
    place: str


def kept(command: bytes, kind: CommandKind) -> bytes:
    """What of the command of a turn that has ended is still told: a message, without its files."""
    if kind is not CommandKind.MESSAGE:
        return b""
    request = _read(command)
    for attachment in request.send_message.attachments:
        attachment.ClearField("data")
    return request.SerializeToString()


def _read(command: bytes) -> AgentRequest:
    """Empty where it cannot be read: that is for the turn's own final to tell."""
    try:
        return AgentRequest.FromString(command)
    except DecodeError:
        return AgentRequest()


class HistoryBook:
    """Reads what is committed. Event loop only."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    def newest(self, *, before: int, limit: int) -> list[Spoken]:
        """Messages that have begun, of which there are events or a bookmark; newest first."""
        return self._spoken("<", before, "DESC", limit)

    def oldest(self, *, after: int, limit: int) -> list[Spoken]:
        """The same, from the other end."""
        return self._spoken(">", after, "ASC", limit)

    def said(self, turn: int) -> AgentRequest:
        """The message; of files no more than what they are called."""
        row = self._reader.execute("SELECT command FROM turns WHERE turn = ?", (turn,)).fetchone()
        return _read(row[0] if row else b"")

    def responses(self, turn: int) -> Iterator[AgentResponse]:
        """All events that are kept of a turn, in order."""
        seq = 0
        while True:
            rows = self._reader.execute(
                "SELECT seq, body FROM events WHERE turn = ? AND seq > ? ORDER BY seq LIMIT ?",
                (turn, seq, _ROWS),
            ).fetchall()
            for _, body in rows:
                yield AgentResponse.FromString(body)
            if len(rows) < _ROWS:
                return
            seq = rows[-1][0]

    def _spoken(self, beyond: str, turn: int, order: str, limit: int) -> list[Spoken]:
        """Of turns that are there, and of those of which only a bookmark is left."""
        found = [
            self._read(f"{query} AND {column} {beyond} ? ORDER BY {column} {order}", turn, limit)
            for query, column in ((_BEGUN, "turns.turn"), (_FORGOTTEN, "bookmarks.turn"))
        ]
        merged = heapq.merge(*found, key=lambda one: one.turn, reverse=order == "DESC")
        return list(islice(merged, limit))

    def _read(self, query: str, turn: int, limit: int) -> Iterable[Spoken]:
        for row in self._reader.execute(f"{query} LIMIT ?", (turn, limit)).fetchall():
            number, request_id, created_ms, *is_so, session_id, place = row
            ended, completed, kept, whole = map(bool, is_so)
            yield Spoken(
                turn=number,
                request_id=request_id,
                created_ms=created_ms,
                ended=ended,
                completed=completed,
                kept=kept,
                whole=whole,
                session_id=session_id,
                place=place,
            )
