"""The messages that a journal still knows, with what became of them."""

import sqlite3
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from agent_runtime.journal.rows import CommandKind, Turn
from proto.agent.v1.agent_pb2 import AgentRequest, AgentResponse
from proto.relay.v1 import relay_pb2

_BEGUN = "kind = ? AND state != ? AND (trimmed_seq < last_seq OR final_seq = 0)"
_ROWS = 500


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

    def newest(self, *, before: int, limit: int) -> list[Turn]:
        """Turns of messages that have begun and are not all forgotten, oldest first."""
        found = self._turns("turn < ?", before, "DESC", limit)
        return found[::-1]

    def oldest(self, *, after: int, limit: int) -> list[Turn]:
        """The same, from the other end."""
        return self._turns("turn > ?", after, "ASC", limit)

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

    def _turns(self, where: str, bound: int, order: str, limit: int) -> list[Turn]:
        rows = self._reader.execute(
            f"SELECT {Turn.COLUMNS} FROM turns"  # noqa: S608 - ours
            f" WHERE {_BEGUN} AND {where} ORDER BY turn {order} LIMIT ?",
            (CommandKind.MESSAGE, relay_pb2.TURN_STATE_QUEUED, bound, limit),
        )
        return [Turn.read(row) for row in rows]
