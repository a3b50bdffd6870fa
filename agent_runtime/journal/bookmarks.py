"""Where the CLI's own history has the prompts of turns: kept longer than the turns themselves."""

import asyncio
import sqlite3

from agent_runtime.journal.writer import Writer
from proto.agent.v1.agent_pb2 import AgentRequest, AgentResponse

MAX_KEPT = 50_000
"""The newest; each has about as many bytes as its turn's final."""

_PUT = """
INSERT OR REPLACE INTO bookmarks (turn, request_id, created_ms, session_id, place)
SELECT turn, request_id, created_ms, ?, ? FROM turns WHERE turn = ?
"""


def put(connection: sqlite3.Connection, turn: int, session_id: str, place: str) -> None:
    connection.execute(_PUT, (session_id, place, turn))


def end_turn(connection: sqlite3.Connection, turn: int, final: bytes, said: bytes) -> None:
    """Keep how it ended, and the names of the files that were sent along."""
    if not connection.execute("SELECT 1 FROM bookmarks WHERE turn = ?", (turn,)).fetchone():
        return
    request = AgentRequest.FromString(said)
    request.send_message.content = ""
    connection.execute(
        "UPDATE bookmarks SET final = ?, said = ? WHERE turn = ?",
        (final, request.SerializeToString(), turn),
    )


def forget(connection: sqlite3.Connection) -> None:
    """The oldest beyond MAX_KEPT."""
    connection.execute(
        "DELETE FROM bookmarks WHERE turn <="
        " (SELECT turn FROM bookmarks ORDER BY turn DESC LIMIT 1 OFFSET ?)",
        (MAX_KEPT,),
    )


class BookmarkBook:
    """The journal's bookmarks as the rest of the runtime sees them. Event loop only."""

    def __init__(self, reader: sqlite3.Connection, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def put(self, turn: int, session_id: str, place: str) -> "asyncio.Future[None]":
        """Soon on disk, and before the turn's final."""
        return self._writer.submit(lambda c: put(c, turn, session_id, place), urgent=False)

    def next(self, session_id: str, turn: int) -> str:
        """The place of the first prompt after that turn in that session, "" for none."""
        row = self._reader.execute(
            "SELECT place FROM bookmarks WHERE session_id = ? AND turn > ? ORDER BY turn LIMIT 1",
            (session_id, turn),
        ).fetchone()
        return str(row[0]) if row else ""

    def end(self, turn: int) -> tuple[AgentRequest, AgentResponse]:
        """The message without its words, and the final; both empty where there is none."""
        row = self._reader.execute(
            "SELECT said, final FROM bookmarks WHERE turn = ?", (turn,)
        ).fetchone()
        said, final = row or (b"", b"")
        return AgentRequest.FromString(said), AgentResponse.FromString(final)
