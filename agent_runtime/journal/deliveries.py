"""The changes a journal knows of deliveries: marks, failures, parking, abandoning, redelivering.

An operation that refuses does so before it has written anything.
"""

import sqlite3

from agent_runtime.errors import Invalid, Trimmed
from agent_runtime.journal.cursor import MAX_SEQ
from agent_runtime.journal.rows import MAX_PARK_MS, Failure, Mark, Turn
from agent_runtime.journal.statements import (
    MAX_UNSETTLED,
    find,
    now_ms,
    refuse_when_full,
    require,
    settle,
)
from agent_runtime.journal.ticket_budget import TicketBudget, note_bytes

MAX_WORDS = 1000
"""Characters that are kept of an error or a reason."""

_ANEW = "attempts = 0, first_failure_ms = 0, next_attempt_ms = 0, last_status = 0, last_error = ''"

_FAIL = """
UPDATE turns SET attempts = max(attempts + :failed, :attempts),
    first_failure_ms = CASE WHEN :failed AND first_failure_ms NOT BETWEEN 1 AND :now THEN :now
        ELSE first_failure_ms END, -- one to come is of a clock that was set back
    last_status = CASE WHEN :failed THEN :status ELSE last_status END,
    last_error = CASE WHEN :error = '' THEN last_error ELSE :error END,
    next_attempt_ms = :next
WHERE request_id = :request_id AND generation = :generation AND acked_seq < :seq
    AND settled = 0 AND abandoned IS NULL
"""

_REDELIVER = f"""
UPDATE turns SET generation = generation + 1, ticket = coalesce(?, ticket), abandoned = NULL,
    settled = 0, acked_seq = ?, {_ANEW}
WHERE turn = ? RETURNING generation
"""  # noqa: S608 - constant columns


def mark(connection: sqlite3.Connection, settled: Mark) -> None:
    """Move a turn's mark forward; of another generation, or an unknown turn: nothing."""
    row = connection.execute(
        "SELECT turn, acked_seq, last_seq, kinds FROM turns"
        " WHERE request_id = ? AND generation = ?",
        (settled.request_id, settled.generation),
    ).fetchone()
    if row is None:
        return
    turn, acked_seq, last_seq, kinds = row
    seq = min(settled.seq, last_seq)
    if seq <= acked_seq:
        return
    if settled.status:
        connection.execute(
            "INSERT OR REPLACE INTO rejects VALUES (?, ?, ?)", (turn, seq, settled.status)
        )
    if kinds:
        seq = _pass_unwanted(connection, turn, seq)
    connection.execute(
        f"UPDATE turns SET acked_seq = ?, {_ANEW} WHERE turn = ?",  # noqa: S608 - constant columns
        (seq, turn),
    )
    settle(connection, turn)


def _pass_unwanted(connection: sqlite3.Connection, turn: int, seq: int) -> int:
    """The last seq before the next event that is to be delivered."""
    (passed,) = connection.execute(
        "SELECT max(seq) FROM events WHERE turn = :turn AND seq >= :seq AND seq < coalesce("
        "(SELECT seq FROM events WHERE turn = :turn AND seq > :seq AND wanted = 1"
        " ORDER BY seq LIMIT 1), :seq + (1 << 62))",
        {"turn": turn, "seq": seq},
    ).fetchone()
    return seq if passed is None else int(passed)


def fail(connection: sqlite3.Connection, failure: Failure) -> None:
    """Count a failed attempt, and park the turn when the next one is not due at once."""
    now = now_ms()
    delay_ms = failure.delay_ms or 0
    connection.execute(
        _FAIL,
        {
            "request_id": failure.request_id,
            "generation": failure.generation,
            "seq": min(failure.seq, MAX_SEQ),
            "attempts": failure.attempts,
            "failed": failure.failed,
            "status": failure.status,
            "error": failure.error[:MAX_WORDS],
            "next": now + min(delay_ms, MAX_PARK_MS) if delay_ms > 0 else 0,
            "now": now,
        },
    )


def abandon(connection: sqlite3.Connection, request_id: str, generation: int, reason: str) -> None:
    """Nothing of the turn is delivered any more, after a last attempt; the turn goes on."""
    row = connection.execute(
        "UPDATE turns SET abandoned = ?, attempts = attempts + 1, next_attempt_ms = 0"
        " WHERE request_id = ? AND generation = ? AND settled = 0 RETURNING turn",
        (reason[:MAX_WORDS], request_id, generation),
    ).fetchone()
    if row is not None:
        settle(connection, row[0])


def redeliver(
    connection: sqlite3.Connection,
    request_id: str,
    from_seq: int,
    ticket: bytes | None,
    tickets: TicketBudget,
) -> tuple[int, int]:
    """Begin the turn's deliveries anew from a seq on; returns turn and new generation.

    `from_seq` 0: the first unsettled or rejected event; beyond that one nothing is
    passed over but what is not kept any more. `ticket` None: as before.

    Raises:
        UnknownTurn
        Trimmed: events from there on are not kept any more.
        Invalid: the turn has no ticket, and none is given.
        Exhausted: too many turns are unsettled, or their tickets are too large.
    """
    turn = require(find(connection, request_id), request_id)
    if ticket is None and turn.ticket is None:
        raise Invalid(f"ticket: turn {request_id} has none, and none is given")
    begin = from_seq or _first_open_seq(connection, turn)
    acked_seq = min(begin - 1, turn.acked_seq)
    if turn.trimmed_seq < from_seq <= turn.last_seq:
        acked_seq = max(acked_seq, turn.trimmed_seq)  # never settled, and gone: abandoned before
    if acked_seq < turn.trimmed_seq:
        raise Trimmed(f"events up to seq {turn.trimmed_seq} are not kept any more")
    if turn.settled:
        refuse_when_full(connection, MAX_UNSETTLED + MAX_UNSETTLED // 10)
    tickets.admit(connection, _more_bytes(turn, ticket), queued=False)
    connection.execute("DELETE FROM rejects WHERE turn = ? AND seq > ?", (turn.turn, acked_seq))
    if turn.kinds:
        acked_seq = _pass_unwanted(connection, turn.turn, acked_seq)
    (generation,) = connection.execute(_REDELIVER, (ticket, acked_seq, turn.turn)).fetchone()
    settle(connection, turn.turn)
    return turn.turn, int(generation)


def _more_bytes(turn: Turn, ticket: bytes | None) -> int:
    """How many bytes of notes a redelivery adds to those of unsettled turns."""
    own = note_bytes(turn.request_id, turn.ticket)
    then = own if ticket is None else note_bytes(turn.request_id, ticket)
    return then - (0 if turn.settled else own)


def _first_open_seq(connection: sqlite3.Connection, turn: Turn) -> int:
    (rejected,) = connection.execute(
        "SELECT min(seq) FROM rejects WHERE turn = ?", (turn.turn,)
    ).fetchone()
    return min(rejected or turn.acked_seq + 1, turn.acked_seq + 1)
