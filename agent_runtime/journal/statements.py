"""The changes a journal knows of turns and their events, each one operation of a commit.

An operation that refuses does so before it has written anything.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence

from agent_runtime.errors import Exhausted, Invalid, UnknownTurn
from agent_runtime.journal import bookmarks, history, prompts
from agent_runtime.journal.rows import Acceptance, Command, CommandKind, Prompt, Turn
from agent_runtime.journal.ticket_budget import TicketBudget, note_bytes
from proto.agent.v1.agent_pb2 import AgentRequest
from proto.relay.v1 import relay_pb2

MAX_UNSETTLED = 1000
"""Turns that may be queued, running or undelivered at the same time."""

MAX_COMMAND_BYTES = 64 * 1024 * 1024
"""All commands of open turns together."""

NewRow = tuple[bytes, bool]
"""An event's body, and whether it is to be delivered."""

_APPEND = """
UPDATE turns SET last_seq = :last, kept_bytes = kept_bytes + :bytes,
    first_seq = CASE first_seq WHEN 0 THEN :first ELSE first_seq END,
    acked_seq = CASE WHEN acked_seq >= wanted_seq THEN max(acked_seq, :passed) ELSE acked_seq END,
    wanted_seq = max(wanted_seq, :wanted)
WHERE turn = :turn AND final_seq = 0
"""

_FINISH = """
UPDATE turns SET state = :state, outcome = :outcome, final_seq = last_seq,
    kept_bytes = kept_bytes - length(command) + length(:said), command = :said
WHERE turn = :turn
"""

_SETTLE = """
UPDATE turns SET settled = 1 WHERE turn = ? AND final_seq > 0
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


def accept(connection: sqlite3.Connection, command: Command, tickets: TicketBudget) -> Acceptance:
    """Journal a command once.

    Raises:
        Exhausted: too many turns are unsettled, or their tickets are too large.
        Invalid: the interrupt names a turn that is not known, or the reply answers another
            kind of prompt.
        UnknownPrompt, Answered, TooLate: the prompt takes no reply.
    """
    known = find(connection, command.request.request_id)
    if known is not None:
        same = known.digest == command.digest
        repeat = relay_pb2.SubmitResponse.RESULT_DUPLICATE
        return Acceptance(repeat if same else relay_pb2.SubmitResponse.RESULT_CONFLICT, known)
    reserve = 0 if command.kind.queued else MAX_UNSETTLED // 10  # an interrupt must get through
    refuse_when_full(connection, MAX_UNSETTLED + reserve)
    more_bytes = note_bytes(command.request.request_id, command.ticket)
    tickets.admit(connection, more_bytes, queued=command.kind.queued)
    if command.kind.queued:
        _refuse_when_too_large(connection, command.request.ByteSize())
    if command.kind is CommandKind.INTERRUPT:
        _name_target(connection, command)
    if command.kind is CommandKind.REPLY:
        prompts.answer(connection, command.request.reply)
    _insert(connection, command)
    turn = find(connection, command.request.request_id)
    assert turn is not None
    return Acceptance(relay_pb2.SubmitResponse.RESULT_ACCEPTED, turn)


def refuse_when_full(connection: sqlite3.Connection, most: int) -> None:
    """Raises Exhausted when so many turns are unsettled."""
    (unsettled,) = connection.execute("SELECT count(*) FROM turns WHERE settled = 0").fetchone()
    if unsettled >= most:
        raise Exhausted(f"{unsettled} turns of this agent are not settled yet; repeat later")


def _refuse_when_too_large(connection: sqlite3.Connection, more_bytes: int) -> None:
    (waiting,) = connection.execute(
        "SELECT coalesce(sum(length(command)), 0) FROM turns WHERE settled = 0 AND final_seq = 0"
    ).fetchone()
    if waiting + more_bytes > MAX_COMMAND_BYTES:
        raise Exhausted(
            "the messages that wait for this agent are too large together; repeat later"
        )


def _insert(connection: sqlite3.Connection, command: Command) -> None:
    content = command.request.SerializeToString()
    connection.execute(
        "INSERT INTO turns (request_id, kind, digest, command, kept_bytes, ticket, state,"
        " created_ms, kinds, coalesce_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            command.request.request_id,
            command.kind,
            command.digest,
            content,
            len(content),
            command.ticket,
            relay_pb2.TURN_STATE_QUEUED,
            now_ms(),
            " ".join(command.kinds),
            command.coalesce_ms,
        ),
    )


def _name_target(connection: sqlite3.Connection, command: Command) -> None:
    """Fix which turn an interrupt means: the named one, else the message that runs, or is next."""
    target = command.request.interrupt.target
    if target:
        if find(connection, target) is None:
            raise Invalid(f"target: this agent knows no turn {target}")
        return
    row = connection.execute(
        "SELECT request_id FROM turns WHERE settled = 0 AND kind = ? AND state != ?"
        " ORDER BY state = ? DESC, turn LIMIT 1",
        (CommandKind.MESSAGE, relay_pb2.TURN_STATE_ENDED, relay_pb2.TURN_STATE_RUNNING),
    ).fetchone()
    if row:
        command.request.interrupt.target = row[0]


def request_of(connection: sqlite3.Connection, turn: int) -> AgentRequest:
    """The command of a turn that has not ended yet."""
    row = connection.execute("SELECT command FROM turns WHERE turn = ?", (turn,)).fetchone()
    return AgentRequest.FromString(row[0])


def start(connection: sqlite3.Connection, turn: int) -> None:
    """It runs, and what it changes in the workspace comes after the latest snapshot."""
    connection.execute(
        "UPDATE turns SET state = ?, snapshot = "
        "(SELECT coalesce(max(snapshots.snapshot), 0) FROM snapshots) WHERE turn = ?",
        (relay_pb2.TURN_STATE_RUNNING, turn),
    )


def append(
    connection: sqlite3.Connection,
    turn: int,
    rows: Sequence[NewRow],
    prompt: Prompt | None = None,
) -> int:
    """Give each row the next seq; returns the last one. `prompt`: what they ask.

    The mark passes over rows that are not to be delivered, once all before them is settled.

    Raises:
        Invalid: the turn has its final already.
    """
    first = latest_seq(connection) + 1
    last = first + len(rows) - 1
    wanted = [seq for seq, (_, to_deliver) in enumerate(rows, first) if to_deliver]
    passed = wanted[0] - 1 if wanted else last
    changed = connection.execute(
        _APPEND,
        {
            "turn": turn,
            "first": first,
            "last": last,
            "bytes": sum(len(body) for body, _ in rows),
            "passed": passed if passed >= first else 0,
            "wanted": wanted[-1] if wanted else 0,
        },
    )
    if not changed.rowcount:
        raise Invalid(f"turn {turn} takes no event: it has its final")
    connection.executemany(
        "INSERT INTO events (seq, turn, body, wanted) VALUES (?, ?, ?, ?)",
        [(seq, turn, body, to_deliver) for seq, (body, to_deliver) in enumerate(rows, first)],
    )
    if prompt is not None:
        prompts.put(connection, prompt)
    return last


def latest_seq(connection: sqlite3.Connection) -> int:
    """The highest seq given so far, 0 for none."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(found[0]) if found else 0


def finish(
    connection: sqlite3.Connection,
    turn: int,
    final: bytes,
    outcome: int,
    facts: Mapping[str, str],
) -> tuple[int, int]:
    """Append the final, end the turn and put the facts, all or nothing.

    Returns the final's seq, and how many bytes more are kept now: of its command
    only what was said is needed any more.
    """
    seq = append(connection, turn, [(final, True)])
    kind, command = connection.execute(
        "SELECT kind, command FROM turns WHERE turn = ?", (turn,)
    ).fetchone()
    said = history.kept(command, CommandKind(kind))
    prompts.end_turn(connection, turn)
    bookmarks.end_turn(connection, turn, final, said)
    for name, value in facts.items():
        put_fact(connection, name, value)
    ended = {"state": relay_pb2.TURN_STATE_ENDED, "outcome": outcome, "said": said, "turn": turn}
    connection.execute(_FINISH, ended)
    settle(connection, turn)
    return seq, len(final) + len(said) - len(command)


def settle(connection: sqlite3.Connection, turn: int) -> None:
    """Nothing is left to do with a turn whose final needs no delivery any more."""
    connection.execute(_SETTLE, (turn,))


def put_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def turns(connection: sqlite3.Connection, where: str, given: tuple[object, ...]) -> list[Turn]:
    """Those for which `where` holds, in order of arrival."""
    rows = connection.execute(
        f"SELECT {Turn.COLUMNS} FROM turns WHERE {where} ORDER BY turn",  # noqa: S608 - ours
        given,
    )
    return [Turn.read(row) for row in rows]


def require(turn: Turn | None, request_id: str) -> Turn:
    """Raises UnknownTurn when there is none."""
    if turn is None:
        raise UnknownTurn(f"this agent knows no turn {request_id}")
    return turn
