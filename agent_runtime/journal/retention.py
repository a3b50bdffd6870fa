"""What is removed when: delivered events by size and age, turn rows by age and number.

Events that may still have to be delivered are never removed, nor rows of unsettled
turns. Of a turn without ticket, or abandoned, nothing has to be delivered; of any other,
what lies beyond its mark. Oldest turns first, in slices, so that no commit takes long.
"""

import sqlite3
from dataclasses import dataclass, replace

from agent_runtime.journal import bookmarks

MAX_BYTES = 256 * 1024 * 1024
MAX_AGE_MS = 7 * 24 * 3600 * 1000
MAX_TURNS = 10_000

_SLICE_ROWS = 1000
_SLICE_BYTES = 8 * 1024 * 1024
_SLICE_TURNS = 500
_TRIMMED_FACT = "trimmed_seq"
_TRIMS_FACT = "trims"

_DELIVERABLE = "CASE WHEN ticket IS NULL OR abandoned IS NOT NULL THEN last_seq ELSE acked_seq END"
"""As in the schema's index turns_trimmable."""

_OLDEST = f"""
SELECT turn, created_ms, {_DELIVERABLE} FROM turns WHERE trimmed_seq < {_DELIVERABLE}
ORDER BY turn LIMIT 1
"""  # noqa: S608 - constant columns

_KEEP_HIGHEST = """
INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE
SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))
"""

_COUNT = """
INSERT INTO facts VALUES (?, '1') ON CONFLICT (name) DO UPDATE
SET value = CAST(value AS INTEGER) + 1
"""

_FORGET = """
DELETE FROM turns WHERE turn IN (
    SELECT turn FROM turns WHERE settled = 1 AND trimmed_seq = last_seq
    AND (created_ms < ? OR turn < ?) ORDER BY turn LIMIT ?
) RETURNING turn
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What has to go: the oldest while there are excess bytes, and turns older than these."""

    excess_bytes: int = 0
    before_ms: int = 0
    before_turn: int = 0


def kept_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all events kept, and of the commands of open turns."""
    (total,) = connection.execute("SELECT coalesce(sum(kept_bytes), 0) FROM turns").fetchone()
    return int(total)


def trimmed_seq(connection: sqlite3.Connection) -> int:
    """The highest seq that was ever removed, 0 for none."""
    return _number(connection, _TRIMMED_FACT)


def trims(connection: sqlite3.Connection) -> int:
    """How many times anything was removed."""
    return _number(connection, _TRIMS_FACT)


def _number(connection: sqlite3.Connection, fact: str) -> int:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (fact,)).fetchone()
    return int(row[0]) if row else 0


def by_age(connection: sqlite3.Connection, now_ms: int) -> Bounds:
    """What time and number alone let go."""
    row = connection.execute(
        "SELECT turn FROM turns ORDER BY turn DESC LIMIT 1 OFFSET ?", (MAX_TURNS - 1,)
    ).fetchone()
    return Bounds(before_ms=now_ms - MAX_AGE_MS, before_turn=row[0] if row else 0)


def may_trim(connection: sqlite3.Connection, bounds: Bounds) -> bool:
    """Whether `trim` would remove anything."""
    row = connection.execute(_OLDEST).fetchone()
    return row is not None and _goes(row[0], row[1], bounds)


def trim(connection: sqlite3.Connection, bounds: Bounds) -> int:
    """Remove a slice of the oldest events; returns the bytes, 0 when nothing has to go."""
    freed = rows = 0
    while rows < _SLICE_ROWS and freed < _SLICE_BYTES:
        left = replace(bounds, excess_bytes=bounds.excess_bytes - freed)
        oldest = connection.execute(_OLDEST).fetchone()
        if oldest is None or not _goes(oldest[0], oldest[1], left):
            break
        size, count = _trim_turn(connection, oldest[0], oldest[2], _SLICE_ROWS - rows)
        freed += size
        rows += count
    return freed


def _trim_turn(
    connection: sqlite3.Connection, turn: int, up_to: int, most_rows: int
) -> tuple[int, int]:
    """Remove the turn's oldest events, not beyond `up_to`; returns bytes and rows."""
    seq, freed, count = _slice(connection, turn, up_to, most_rows)
    connection.execute("DELETE FROM events WHERE turn = ? AND seq <= ?", (turn, seq))
    freed += _forget_command(connection, turn, seq)
    connection.execute(
        "UPDATE turns SET trimmed_seq = ?, kept_bytes = kept_bytes - ? WHERE turn = ?",
        (seq, freed, turn),
    )
    connection.execute(_KEEP_HIGHEST, (_TRIMMED_FACT, str(seq)))
    connection.execute(_COUNT, (_TRIMS_FACT,))
    return freed, count


def _forget_command(connection: sqlite3.Connection, turn: int, seq: int) -> int:
    """What was said goes with the last that was done about it; returns its bytes."""
    row = connection.execute(
        "SELECT length(command) FROM turns WHERE turn = ? AND final_seq > 0 AND final_seq <= ?",
        (turn, seq),
    ).fetchone()
    if row is None:
        return 0
    connection.execute("UPDATE turns SET command = x'' WHERE turn = ?", (turn,))
    return int(row[0])


def forget(connection: sqlite3.Connection, bounds: Bounds) -> int:
    """Remove some settled turns without events; returns how many, 0 when none has to go.

    Rows outlive their events, so that repeats are recognised, but not for ever.
    """
    given = (bounds.before_ms, bounds.before_turn, _SLICE_TURNS)
    turns = connection.execute(_FORGET, given).fetchall()
    connection.executemany("DELETE FROM rejects WHERE turn = ?", turns)
    connection.executemany("DELETE FROM prompts WHERE turn = ?", turns)
    bookmarks.forget(connection)
    return len(turns)


def _goes(turn: int, created_ms: int, bounds: Bounds) -> bool:
    too_old = created_ms < bounds.before_ms or turn < bounds.before_turn
    return bounds.excess_bytes > 0 or too_old


def _slice(
    connection: sqlite3.Connection, turn: int, up_to: int, most_rows: int
) -> tuple[int, int, int]:
    """Where the next slice of that turn ends, its bytes and its rows."""
    rows = connection.execute(
        "SELECT seq, length(body) FROM events WHERE turn = ? AND seq <= ? ORDER BY seq LIMIT ?",
        (turn, up_to, most_rows),
    )
    size = count = 0
    for seq, length in rows:
        size += length
        count += 1
        if size >= _SLICE_BYTES or count == most_rows:
            return seq, size, count
    return up_to, size, count
