"""The journal's tables. Migrations are applied in order and never edited once released."""

import sqlite3
from pathlib import Path

from agent_runtime.errors import JournalBroken

FILE_NAME = "journal.db"

MIGRATIONS = (
    """
    CREATE TABLE turns (
        turn        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival
        request_id  TEXT NOT NULL UNIQUE,
        kind        INTEGER NOT NULL,                  -- rows.CommandKind
        digest      BLOB NOT NULL,
        command     BLOB NOT NULL,                     -- agent.v1.AgentRequest
        ticket      BLOB,                              -- NULL: needs no delivery
        state       INTEGER NOT NULL,                  -- relay.v1.TurnState
        outcome     INTEGER NOT NULL DEFAULT 0,        -- agent.v1.Outcome
        created_ms  INTEGER NOT NULL,
        first_seq   INTEGER NOT NULL DEFAULT 0,
        last_seq    INTEGER NOT NULL DEFAULT 0,
        final_seq   INTEGER NOT NULL DEFAULT 0,        -- 0: no final yet
        acked_seq   INTEGER NOT NULL DEFAULT 0,        -- the mark
        trimmed_seq INTEGER NOT NULL DEFAULT 0,        -- highest row removed
        generation  INTEGER NOT NULL DEFAULT 1,
        abandoned   TEXT,                              -- the reason
        settled     INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX turns_unsettled ON turns (turn) WHERE settled = 0;
    CREATE TABLE events (
        seq   INTEGER PRIMARY KEY AUTOINCREMENT,       -- never given twice
        turn  INTEGER NOT NULL,
        body  BLOB NOT NULL                            -- agent.v1.AgentResponse without seq
    );
    CREATE INDEX events_of_turn ON events (turn, seq);
    CREATE TABLE rejects (
        turn   INTEGER NOT NULL,
        seq    INTEGER NOT NULL,
        status INTEGER NOT NULL,
        PRIMARY KEY (turn, seq)
    ) WITHOUT ROWID;
    CREATE TABLE facts (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TRIGGER nothing_after_a_final BEFORE INSERT ON events
    WHEN (SELECT final_seq FROM turns WHERE turn = NEW.turn) > 0
    BEGIN SELECT RAISE(ABORT, 'the turn has its final'); END;
    """,
    """
    ALTER TABLE turns ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0; -- failed, after the mark
    ALTER TABLE turns ADD COLUMN first_failure_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE turns ADD COLUMN next_attempt_ms INTEGER NOT NULL DEFAULT 0; -- 0: not parked
    ALTER TABLE turns ADD COLUMN last_status INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE turns ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
    ALTER TABLE turns ADD COLUMN kinds TEXT NOT NULL DEFAULT '';  -- globs, a space between; '': all
    ALTER TABLE turns ADD COLUMN coalesce_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE turns ADD COLUMN wanted_seq INTEGER NOT NULL DEFAULT 0; -- last event to deliver
    ALTER TABLE turns ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0; -- events, and open command
    ALTER TABLE events ADD COLUMN wanted INTEGER NOT NULL DEFAULT 1;    -- 0: not to be delivered
    UPDATE turns SET command = x'' WHERE final_seq > 0;
    UPDATE turns SET wanted_seq = last_seq, kept_bytes = length(command)
        + (SELECT coalesce(sum(length(body)), 0) FROM events WHERE events.turn = turns.turn);
    INSERT OR REPLACE INTO facts
        SELECT 'trimmed_seq', max(trimmed_seq) FROM turns HAVING max(trimmed_seq) > 0;
    CREATE INDEX turns_trimmable ON turns (turn) WHERE trimmed_seq <
        CASE WHEN ticket IS NULL OR abandoned IS NOT NULL THEN last_seq ELSE acked_seq END;
    DROP TRIGGER nothing_after_a_final;                    -- append looks, once for a group
    """,
    """
    CREATE TABLE prompts (
        prompt_id  TEXT PRIMARY KEY,
        turn       INTEGER NOT NULL,
        kind       INTEGER NOT NULL,             -- rows.PromptKind
        data       BLOB NOT NULL,
        asked_ms   INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        state      INTEGER NOT NULL              -- rows.PromptState
    );
    CREATE INDEX prompts_of_turn ON prompts (turn);
    CREATE INDEX prompts_open ON prompts (state) WHERE state = 0;
    """,
    """
    CREATE TABLE snapshots (
        snapshot INTEGER PRIMARY KEY AUTOINCREMENT,
        tree     TEXT NOT NULL,                  -- of the workspace's private repository
        taken_ms INTEGER NOT NULL
    );
    ALTER TABLE turns ADD COLUMN snapshot INTEGER; -- the last one before it ran; NULL: it did not
    UPDATE turns SET snapshot = 0 WHERE state > 1; -- 0: there was none
    """,
    """
    CREATE TABLE bookmarks (                     -- they outlive their turns
        turn       INTEGER PRIMARY KEY,
        request_id TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        session_id TEXT NOT NULL,                -- the CLI's
        place      TEXT NOT NULL,                -- in its history of that session
        said       BLOB NOT NULL DEFAULT x'',    -- agent.v1.AgentRequest without what is large
        final      BLOB NOT NULL DEFAULT x''     -- agent.v1.AgentResponse
    );
    CREATE INDEX bookmarks_of_session ON bookmarks (session_id, turn);
    """,
)


def connect(folder: Path) -> sqlite3.Connection:
    """A connection for one thread at a time; statements are autocommitted unless BEGIN is said.

    Raises:
        JournalBroken: it is no journal, damaged, or made by a newer version.
    """
    path = folder / FILE_NAME
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise JournalBroken(f"the journal {path} cannot be used: {error}") from error
    except JournalBroken:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalBroken(
            f"the journal is of version {version}, this runtime knows {len(MIGRATIONS)}: "
            "use the newer runtime that wrote it"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT")
