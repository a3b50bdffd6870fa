"""What is removed when: events by size and age, oldest turn first, turn rows by age and number.

Undelivered events are never removed, nor rows of unsettled turns. Of a turn that
is still delivered, what is acknowledged may go; of one that needs no delivery, all.
"""

import sqlite3

MAX_BYTES = 256 * 1024 * 1024
MAX_AGE_MS = 7 * 24 * 3600 * 1000
MAX_TURNS = 10_000
MAX_TRIMMED_AT_ONCE = 200
"""Turns a transaction trims, so that no commit waits long for it."""

TRIMMED_FACT = "trimmed_seq"
"""The highest seq that was ever removed; turn rows that knew it may be gone."""

_NEXT = """
SELECT turn, removable FROM (
    SELECT turn, settled, created_ms, trimmed_seq,
        CASE WHEN settled = 1 OR ticket IS NULL OR abandoned IS NOT NULL
            THEN last_seq ELSE acked_seq END AS removable
    FROM turns WHERE turn > ?
)
WHERE removable > trimmed_seq AND (? > 0 OR (settled = 1 AND (created_ms < ? OR turn <= ?)))
ORDER BY turn LIMIT 1
"""


def stored_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all events kept."""
    (total,) = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM events").fetchone()
    return int(total)


def trim(connection: sqlite3.Connection, now_ms: int, excess_bytes: int) -> int:
    """Remove what is too old or too many, and the oldest until `excess_bytes` are freed.

    Returns the bytes that it freed; at most so many turns at once, so call it again.
    """
    freed, turn, horizon = 0, 0, now_ms - MAX_AGE_MS
    oldest_kept = _beyond(connection)
    for _ in range(MAX_TRIMMED_AT_ONCE):
        left = excess_bytes - freed
        row = connection.execute(_NEXT, (turn, left, horizon, oldest_kept)).fetchone()
        if row is None:
            break
        turn, removable = row
        freed += _remove(connection, turn, removable)
    _forget_turns(connection, horizon, oldest_kept)
    return freed


def _beyond(connection: sqlite3.Connection) -> int:
    """The newest turn that is one too many, 0 when there are not so many."""
    row = connection.execute(
        "SELECT turn FROM turns ORDER BY turn DESC LIMIT 1 OFFSET ?", (MAX_TURNS,)
    ).fetchone()
    return int(row[0]) if row else 0


def _remove(connection: sqlite3.Connection, turn: int, up_to: int) -> int:
    (size,) = connection.execute(
        "SELECT coalesce(sum(length(body)), 0) FROM events WHERE turn = ? AND seq <= ?",
        (turn, up_to),
    ).fetchone()
    connection.execute("DELETE FROM events WHERE turn = ? AND seq <= ?", (turn, up_to))
    connection.execute("UPDATE turns SET trimmed_seq = ? WHERE turn = ?", (up_to, turn))
    connection.execute(
        "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
        " SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (TRIMMED_FACT, str(up_to)),
    )
    return int(size)


def _forget_turns(connection: sqlite3.Connection, horizon_ms: int, oldest_kept: int) -> None:
    """Rows outlive their events, so that repeats are recognised, but not for ever."""
    gone = connection.execute(
        "DELETE FROM turns WHERE settled = 1 AND trimmed_seq = last_seq"
        " AND (created_ms < ? OR turn <= ?)",
        (horizon_ms, oldest_kept),
    ).rowcount
    if gone:
        connection.execute("DELETE FROM rejects WHERE turn NOT IN (SELECT turn FROM turns)")
