"""What is removed when: settled turns' events by size and age, turn rows by age and number.

Undelivered events are never removed, nor rows of unsettled turns.
"""

import sqlite3

MAX_BYTES = 256 * 1024 * 1024
MAX_AGE_MS = 7 * 24 * 3600 * 1000
MAX_TURNS = 10_000

_OLDEST_SETTLED = """
SELECT turn, last_seq FROM turns
WHERE settled = 1 AND last_seq > trimmed_seq AND (created_ms < ? OR ? > 0)
ORDER BY turn LIMIT 1
"""


def stored_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all events kept."""
    (total,) = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM events").fetchone()
    return int(total)


def trim(connection: sqlite3.Connection, now_ms: int, excess_bytes: int) -> int:
    """Remove what is too old, and the oldest until `excess_bytes` are freed; returns the bytes."""
    freed = 0
    horizon = now_ms - MAX_AGE_MS
    while row := connection.execute(_OLDEST_SETTLED, (horizon, excess_bytes - freed)).fetchone():
        turn, last_seq = row
        (size,) = connection.execute(
            "SELECT coalesce(sum(length(body)), 0) FROM events WHERE turn = ?", (turn,)
        ).fetchone()
        connection.execute("DELETE FROM events WHERE turn = ?", (turn,))
        connection.execute("UPDATE turns SET trimmed_seq = ? WHERE turn = ?", (last_seq, turn))
        freed += size
    _forget_turns(connection, horizon)
    return freed


def _forget_turns(connection: sqlite3.Connection, horizon_ms: int) -> None:
    """Rows outlive their events, so that repeats are recognised, but not for ever."""
    connection.execute(
        "DELETE FROM turns WHERE settled = 1 AND trimmed_seq = last_seq AND (created_ms < ? OR"
        " turn <= (SELECT turn FROM turns ORDER BY turn DESC LIMIT 1 OFFSET ?))",
        (horizon_ms, MAX_TURNS),
    )
    connection.execute("DELETE FROM rejects WHERE turn NOT IN (SELECT turn FROM turns)")
