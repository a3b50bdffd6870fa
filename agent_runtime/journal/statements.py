"""The changes a journal knows, each one operation inside the writer's transaction."""

import sqlite3
import time
from collections.abc import Sequence

from agent_runtime.errors import Exhausted, Invalid, UnknownTurn
from agent_runtime.journal.cursor import MAX_SEQ
from agent_runtime.journal.rows import Acceptance, Command, CommandKind, Mark, Turn
from proto.agent.v1.agent_pb2 import AgentRequest
from proto.relay.v1 import relay_pb2

MAX_UNSETTLED = 1000
"""Turns that may be queued, running or undelivered at the same time."""

MAX_COMMAND_BYTES = 64 * 1024 * 1024
"""All commands of unsettled turns together; a settled turn needs only its digest."""

_SETTLE = """
UPDATE turns SET settled = 1, command = X'' WHERE turn = ? AND final_seq > 0
AND (ticket IS NULL OR abandoned IS NOT NULL OR acked_seq >= final_seq)
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def find(connection: sqlite3.Connection, request_id: str) -> Turn | None:
    row = connection.execute(
        f"SELECT {Turn.COLUMNS} FROM turns WHERE request_id = ?",  # noqa: S608 - constant columns
        (request_id,),
    ).fetchone()
    return Turn.read(row) if row else None


def accept(connection: sqlite3.Connection, command: Command) -> Acceptance:
    """Journal a command once.

    Raises:
        Exhausted: too many turns are unsettled.
        Invalid: the interrupt names a turn that is not known.
    """
    known = find(connection, command.request.request_id)
    if known is not None:
        same = known.digest == command.digest
        repeat = relay_pb2.SubmitResponse.RESULT_DUPLICATE
        return Acceptance(repeat if same else relay_pb2.SubmitResponse.RESULT_CONFLICT, known)
    _refuse_when_full(connection, command)
    if command.kind is CommandKind.INTERRUPT:
        _name_target(connection, command)
    connection.execute(
        "INSERT INTO turns (request_id, kind, digest, command, ticket, state, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            command.request.request_id,
            command.kind,
            command.digest,
            command.request.SerializeToString(),
            command.ticket,
            relay_pb2.TURN_STATE_QUEUED,
            now_ms(),
        ),
    )
    turn = find(connection, command.request.request_id)
    assert turn is not None
    return Acceptance(relay_pb2.SubmitResponse.RESULT_ACCEPTED, turn)


def _refuse_when_full(connection: sqlite3.Connection, command: Command) -> None:
    unsettled, stored = connection.execute(
        "SELECT count(*), coalesce(sum(length(command)), 0) FROM turns WHERE settled = 0"
    ).fetchone()
    reserve = 0 if command.kind.queued else MAX_UNSETTLED // 10  # an interrupt must get through
    if unsettled >= MAX_UNSETTLED + reserve:
        raise Exhausted(f"{unsettled} turns of this agent are not settled yet; repeat later")
    if command.kind.queued and stored + command.request.ByteSize() > MAX_COMMAND_BYTES:
        raise Exhausted(
            "the messages that wait for this agent are too large together; repeat later"
        )


def _name_target(connection: sqlite3.Connection, command: Command) -> None:
    """Fix which turn an interrupt means: the named one, else the oldest open message."""
    target = command.request.interrupt.target
    if target:
        if find(connection, target) is None:
            raise Invalid(f"target: this agent knows no turn {target}")
        return
    row = connection.execute(
        "SELECT request_id FROM turns WHERE settled = 0 AND kind = ? AND state != ?"
        " ORDER BY turn LIMIT 1",
        (CommandKind.MESSAGE, relay_pb2.TURN_STATE_ENDED),
    ).fetchone()
    if row:
        command.request.interrupt.target = row[0]


def request_of(connection: sqlite3.Connection, turn: int) -> AgentRequest:
    """The command of a turn that is not settled yet."""
    row = connection.execute("SELECT command FROM turns WHERE turn = ?", (turn,)).fetchone()
    return AgentRequest.FromString(row[0])


def start(connection: sqlite3.Connection, turn: int) -> None:
    connection.execute(
        "UPDATE turns SET state = ? WHERE turn = ?", (relay_pb2.TURN_STATE_RUNNING, turn)
    )


def append(connection: sqlite3.Connection, turn: int, bodies: Sequence[bytes]) -> int:
    """Give each body the next seq; returns the last one.

    Raises:
        Invalid: the turn has its final already.
    """
    try:
        for body in bodies:
            seq = connection.execute(
                "INSERT INTO events (turn, body) VALUES (?, ?)", (turn, body)
            ).lastrowid
    except sqlite3.IntegrityError as error:
        raise Invalid(f"turn {turn} takes no event: {error}") from error
    assert seq is not None
    connection.execute(
        "UPDATE turns SET last_seq = ?,"
        " first_seq = CASE first_seq WHEN 0 THEN ? ELSE first_seq END WHERE turn = ?",
        (seq, seq - len(bodies) + 1, turn),
    )
    return seq


def finish(connection: sqlite3.Connection, turn: int, final: bytes, outcome: int) -> int:
    """Append the final and end the turn, both or neither."""
    seq = append(connection, turn, [final])
    connection.execute(
        "UPDATE turns SET state = ?, outcome = ?, final_seq = ? WHERE turn = ?",
        (relay_pb2.TURN_STATE_ENDED, outcome, seq, turn),
    )
    connection.execute(_SETTLE, (turn,))
    return seq


def mark(connection: sqlite3.Connection, settled: Mark) -> None:
    """Move a turn's mark forward; of another generation, or an unknown turn: nothing."""
    row = connection.execute(
        "UPDATE turns SET acked_seq = min(max(acked_seq, ?), last_seq)"
        " WHERE request_id = ? AND generation = ? RETURNING turn",
        (min(settled.seq, MAX_SEQ), settled.request_id, settled.generation),
    ).fetchone()
    if row is None:
        return
    if settled.status:
        connection.execute(
            "INSERT OR REPLACE INTO rejects VALUES (?, ?, ?)",
            (row[0], min(settled.seq, MAX_SEQ), settled.status),
        )
    connection.execute(_SETTLE, row)


def abandon(connection: sqlite3.Connection, request_id: str, generation: int, reason: str) -> None:
    """Nothing of the turn is delivered any more; the turn itself goes on."""
    row = connection.execute(
        "UPDATE turns SET abandoned = ? WHERE request_id = ? AND generation = ?"
        " AND settled = 0 RETURNING turn",
        (reason, request_id, generation),
    ).fetchone()
    if row is not None:
        connection.execute(_SETTLE, row)


def put_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def require(turn: Turn | None, request_id: str) -> Turn:
    """Raises UnknownTurn when there is none."""
    if turn is None:
        raise UnknownTurn(f"this agent knows no turn {request_id}")
    return turn
