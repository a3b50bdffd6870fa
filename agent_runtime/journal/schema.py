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
