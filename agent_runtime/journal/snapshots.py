"""What a journal knows of the workspace: snapshots between turns, and which turn is after which."""

import asyncio
import sqlite3

from agent_runtime.journal.rows import Snapshot
from agent_runtime.journal.writer import Writer

MAX_KEPT = 200
"""The newest, and the first one."""
MAX_TOLD = 100
"""Turns that are named."""

_COLUMNS = "snapshot, tree, taken_ms"
_FORGET = """
DELETE FROM snapshots WHERE snapshot <= (SELECT max(snapshot) - ? FROM snapshots)
AND snapshot > (SELECT min(snapshot) FROM snapshots)
"""


def put(connection: sqlite3.Connection, tree: str, taken_ms: int) -> None:
    connection.execute("INSERT INTO snapshots (tree, taken_ms) VALUES (?, ?)", (tree, taken_ms))
    connection.execute(_FORGET, (MAX_KEPT,))


def keep(connection: sqlite3.Connection, newest: int) -> None:
    """Forget all but the first one and so many of the others."""
    connection.execute(_FORGET, (newest,))


def forget(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM snapshots")


class SnapshotBook:
    """The journal's snapshots as the rest of the runtime sees them. Event loop only.

    A turn's changes lie between the snapshot that was the latest when it began, and the next.
    """

    def __init__(self, reader: sqlite3.Connection, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def put(self, tree: str, taken_ms: int) -> None:
        """Turns that are started after this call come after it, also when its caller goes away."""
        await asyncio.shield(self._writer.submit(lambda c: put(c, tree, taken_ms)))

    async def keep(self, newest: int) -> None:
        """Forget all but the first one and so many of the others."""
        await self._writer.submit(lambda c: keep(c, newest))

    async def forget(self) -> None:
        """All of them; numbers go on."""
        await self._writer.submit(forget)

    def all(self) -> list[Snapshot]:
        """Oldest first."""
        return self._read("true")

    def first(self) -> Snapshot | None:
        return self._one("snapshot = (SELECT min(snapshot) FROM snapshots)")

    def latest(self) -> Snapshot | None:
        return self._one("snapshot = (SELECT max(snapshot) FROM snapshots)")

    def numbered(self, number: int) -> Snapshot | None:
        return self._one("snapshot = ?", number)

    def before(self, turn: int) -> int | None:
        """The number of the one before that turn ran, 0 for none; None: it has not run."""
        row = self._reader.execute("SELECT snapshot FROM turns WHERE turn = ?", (turn,)).fetchone()
        return row[0] if row else None

    def turns_after(self, number: int) -> list[str]:
        """The first MAX_TOLD request ids of turns between that one and the next, as they came."""
        rows = self._reader.execute(
            "SELECT request_id FROM turns WHERE snapshot = ? ORDER BY turn LIMIT ?",
            (number, MAX_TOLD),
        )
        return [request_id for (request_id,) in rows]

    def _one(self, where: str, *given: object) -> Snapshot | None:
        found = self._read(where, *given)
        return found[0] if found else None

    def _read(self, where: str, *given: object) -> list[Snapshot]:
        rows = self._reader.execute(
            f"SELECT {_COLUMNS} FROM snapshots WHERE {where} ORDER BY snapshot",  # noqa: S608 - ours
            given,
        )
        return [Snapshot(*row) for row in rows]
