import asyncio
import sqlite3
from pathlib import Path

import pytest

from agent_runtime.errors import Exhausted, Invalid, JournalBroken, Trimmed, UnknownTurn
from agent_runtime.journal import retention, schema, statements
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Command, Mark
from agent_runtime.journal.space import RESERVE_BYTES
from proto.agent.v1.agent_pb2 import OUTCOME_COMPLETED
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import event, final, interrupt, message

ACCEPTED = relay_pb2.SubmitResponse.RESULT_ACCEPTED
DUPLICATE = relay_pb2.SubmitResponse.RESULT_DUPLICATE
CONFLICT = relay_pb2.SubmitResponse.RESULT_CONFLICT


async def test_a_repeat_is_recognised_and_other_content_is_a_conflict(journal: Journal) -> None:
    """The same request_id never runs twice; URL and secret (the ticket) do not count as content."""
    first = await journal.accept(message("r1", "hi", ticket=b"one"))
    again = await journal.accept(message("r1", "hi", ticket=b"two"))
    other = await journal.accept(message("r1", "ho"))
    assert [first.result, again.result, other.result] == [ACCEPTED, DUPLICATE, CONFLICT]
    assert again.turn.ticket == b"one"


async def test_what_was_accepted_outlives_the_process(tmp_path: Path) -> None:
    """Turns, events, marks and facts are all there when the journal is opened again."""
    async with Journal(tmp_path) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        journal.append(turn, event("1"))
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
        await journal.mark(turn, Mark("r1", 1, 1))
        await journal.put_fact("session:x", "s1")
    async with Journal(tmp_path) as journal:
        read = journal.turn("r1")
        assert (read.first_seq, read.last_seq, read.final_seq, read.acked_seq) == (1, 2, 2, 1)
        assert read.ended
        assert journal.fact("session:x") == "s1"
        assert [row.seq for row in journal.cursor(turn, None).take()] == [1, 2]


async def test_nothing_comes_after_a_final(journal: Journal) -> None:
    """A turn has exactly one final, and it is its last event, whoever tries what."""
    turn = (await journal.accept(message("r1"))).turn.turn
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    with pytest.raises(Invalid):
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
    journal.append(turn, event("late"))
    await journal.put_fact("flush", "1")
    assert [row.response.is_final for row in journal.cursor(turn, None).take()] == [True]


async def test_events_are_seen_only_once_committed_and_in_order(journal: Journal) -> None:
    """A cursor reads committed rows; what is gathered into one commit keeps its order."""
    turn = (await journal.accept(message("r1"))).turn.turn
    for number in range(200):
        journal.append(turn, event(str(number)))
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    cursor, seen = journal.cursor(turn, None), []
    while rows := cursor.take():
        assert len(rows) <= 64
        seen += rows
    assert [row.seq for row in seen] == list(range(1, 202))
    assert [row.response.event.event_json for row in seen[:200]] == [
        str(number).encode() for number in range(200)
    ]


async def test_a_cursor_takes_one_row_at_least(journal: Journal) -> None:
    """An event larger than the window still gets through, alone."""
    turn = (await journal.accept(message("r1"))).turn.turn
    for text in ("a" * 3000, "b"):
        journal.append(turn, event(text))
    await journal.put_fact("flush", "1")
    cursor = journal.cursor(turn, None)
    assert [len(cursor.take(max_bytes=100)), len(cursor.take(max_bytes=100))] == [1, 1]


async def test_a_failed_commit_publishes_nothing_and_is_repeated(journal: Journal) -> None:
    """A full disk loses nothing: what was asked for is written once there is room again."""
    turn = (await journal.accept(message("r1"))).turn.turn
    connection = journal._writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    finishing = asyncio.ensure_future(journal.finish(turn, final() + b"\x82\x01\x04long", 1))
    big = asyncio.ensure_future(journal.accept(message("r2", "x" * 100_000)))
    done, _ = await asyncio.wait({finishing, big}, timeout=0.5)
    assert not done
    assert journal.latest_seq() == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    assert await asyncio.wait_for(finishing, 10) == 1
    assert (await asyncio.wait_for(big, 10)).result == ACCEPTED


async def test_marks_only_move_forward_and_only_in_their_generation(journal: Journal) -> None:
    """Late and stale acknowledgements are harmless."""
    turn = (await journal.accept(message("r1"))).turn.turn
    for _ in range(3):
        journal.append(turn, event())
    await journal.mark(turn, Mark("r1", 1, 2))
    await journal.mark(turn, Mark("r1", 1, 1))
    await journal.mark(turn, Mark("r1", 7, 3))
    assert journal.turn("r1").acked_seq == 2
    await journal.mark(turn, Mark("r1", 1, 999))
    assert journal.turn("r1").acked_seq == 3


async def test_a_turn_is_settled_by_the_mark_of_its_final(journal: Journal) -> None:
    """Undelivered is what has a ticket and an unsettled final; a rejection settles and is kept."""
    turn = (await journal.accept(message("r1"))).turn.turn
    quiet = (await journal.accept(message("r2", ticket=b""))).turn.turn
    for number in (turn, quiet):
        journal.append(number, event())
        await journal.finish(number, final(), OUTCOME_COMPLETED)
    assert journal.outstanding.undelivered() == [turn]
    await journal.mark(turn, Mark("r1", 1, 1, status=403))
    assert journal.outstanding.undelivered()
    await journal.mark(turn, Mark("r1", 1, 3))
    assert not journal.outstanding.has_unsettled()
    assert journal.outstanding.rejected(turn) == [1]


async def test_fault_03_an_abandoned_turn_is_settled_but_goes_on(journal: Journal) -> None:
    """410 ends the deliveries, never the turn."""
    turn = (await journal.accept(message("r1"))).turn.turn
    await journal.abandon(turn, request_id="r1", generation=2, reason="stale")
    assert journal.outstanding.undelivered()
    await journal.abandon(turn, request_id="r1", generation=1, reason="410")
    assert not journal.outstanding.undelivered()
    journal.append(turn, event())
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    assert not journal.outstanding.has_unsettled()
    assert journal.turn("r1").delivery(0) == relay_pb2.DELIVERY_STATE_ABANDONED


async def _target_of(journal: Journal, command: Command) -> str:
    turn = (await journal.accept(command)).turn.turn
    return journal.request_of(turn).interrupt.target


async def test_an_interrupt_names_its_target_when_it_is_accepted(journal: Journal) -> None:
    """Which turn is meant is fixed on disk: a repeat after a crash cannot hit a later turn."""
    first = (await journal.accept(message("r1"))).turn
    await journal.accept(message("r2"))
    hit = await _target_of(journal, interrupt("i1"))
    await journal.finish(first.turn, final(), OUTCOME_COMPLETED)
    again = await _target_of(journal, interrupt("i1"))
    named = await _target_of(journal, interrupt("i2", "r2"))
    assert [hit, again, named] == ["r1", "r1", "r2"]
    with pytest.raises(Invalid, match="target"):
        await journal.accept(interrupt("i3", "nobody"))


async def test_settled_events_go_first_and_undelivered_ones_never(tmp_path: Path) -> None:
    """The size bound removes the oldest settled turn; ids are not given again afterwards."""
    small = RESERVE_BYTES + 40_000
    async with Journal(tmp_path, max_bytes=small) as journal:
        turns = []
        for name in ("old", "new"):
            turn = (await journal.accept(message(name))).turn.turn
            journal.append(turn, event("x" * 15_000))
            await journal.finish(turn, final(), OUTCOME_COMPLETED)
            turns.append(turn)
        await journal.mark(turns[0], Mark("old", 1, 99))
        third = (await journal.accept(message("third"))).turn.turn
        journal.append(third, event("x" * 15_000))
        await journal.put_fact("flush", "1")
        await journal.room()
        assert journal.cursor(turns[0], None).take() == []
        assert [row.seq for row in journal.cursor(turns[1], None).take()] == [3, 4]
        with pytest.raises(Trimmed):
            journal.cursor(turns[0], 0, whole=True).take()
        assert journal.latest_seq() == 5


async def test_a_full_journal_takes_no_message_and_stops_the_backend(tmp_path: Path) -> None:
    """Undelivered events that fill it make Submit fail and appending wait until some settle."""
    small = RESERVE_BYTES + 10_000
    async with Journal(tmp_path, max_bytes=small) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        journal.append(turn, event("x" * 20_000))
        filling = asyncio.ensure_future(journal.room())
        await asyncio.wait({filling}, timeout=0.2)
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
        assert not filling.done()
        with pytest.raises(Exhausted):
            await journal.accept(message("r2"))
        assert (await journal.accept(message("r1"))).result == DUPLICATE
        assert (await journal.accept(interrupt("i1"))).result == ACCEPTED
        await journal.mark(turn, Mark("r1", 1, 99))
        await asyncio.wait_for(filling, 5)
        assert (await journal.accept(message("r2"))).result == ACCEPTED


async def test_appending_waits_while_full_and_goes_on(tmp_path: Path) -> None:
    """The backend's output is not read on while there is no room, and is read again after."""
    small = RESERVE_BYTES + 10_000
    async with Journal(tmp_path, max_bytes=small) as journal:
        done = (await journal.accept(message("done"))).turn.turn
        running = (await journal.accept(message("running"))).turn.turn
        journal.append(done, event("x" * 8_000))
        await journal.finish(done, final(), OUTCOME_COMPLETED)
        journal.append(running, event("x" * 8_000))
        waiting = asyncio.ensure_future(journal.room())
        finished, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not finished
        await journal.mark(done, Mark("done", 1, 99))
        await asyncio.wait_for(waiting, 5)


async def test_a_running_turn_does_not_fill_the_journal_with_what_is_acknowledged(
    tmp_path: Path,
) -> None:
    """Long turns go on for ever: what their receiver has is removed when room is needed."""
    small = RESERVE_BYTES + 40_000
    async with Journal(tmp_path, max_bytes=small) as journal:
        delivered = (await journal.accept(message("r1"))).turn.turn
        unread = (await journal.accept(message("r2", ticket=b""))).turn.turn
        async with asyncio.timeout(20):
            for turn in (delivered, unread):
                for number in range(20):
                    await journal.room()
                    journal.append(turn, event(f"{number}" + "x" * 5_000))
                    await journal.put_fact("flush", "1")
                    await journal.mark(delivered, Mark("r1", 1, journal.latest_seq()))
        rows = journal.cursor(unread, None).take()
        assert rows[-1].response.event.event_json.startswith(b"19")
        assert len(rows) < 20


async def test_what_is_too_old_goes_and_the_gap_is_told(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and rows older than a week are removed; a reader from before is told, not fooled."""
    for name in ("old", "open"):
        turn = (await journal.accept(message(name))).turn.turn
        journal.append(turn, event())
    old = journal.turn("old").turn
    await journal.finish(old, final(), OUTCOME_COMPLETED)
    await journal.mark(old, Mark("old", 1, 99))
    monkeypatch.setattr(retention, "MAX_AGE_MS", -1000)
    await journal.trim()
    with pytest.raises(UnknownTurn):
        journal.turn("old")
    assert len(journal.cursor(journal.turn("open").turn, None).take()) == 1
    with pytest.raises(Trimmed):
        journal.cursor(None, 1, whole=True).take()


async def test_only_so_many_turns_are_kept(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are bounded by number too, the oldest settled ones go first."""
    monkeypatch.setattr(retention, "MAX_TURNS", 3)
    for number in range(6):
        turn = (await journal.accept(message(f"r{number}", ticket=b""))).turn.turn
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
    await journal.trim()
    assert [turn.request_id for turn in journal.turns(limit=9)] == ["r3", "r4", "r5"]


async def test_too_many_or_too_large_commands_are_refused(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded by number and by bytes; an interrupt still gets through."""
    monkeypatch.setattr(statements, "MAX_UNSETTLED", 10)
    monkeypatch.setattr(statements, "MAX_COMMAND_BYTES", 1000)
    await journal.accept(message("r0"))
    with pytest.raises(Exhausted, match="large"):
        await journal.accept(message("big", "x" * 1000))
    for number in range(1, 10):
        await journal.accept(message(f"r{number}"))
    with pytest.raises(Exhausted, match="10 turns"):
        await journal.accept(message("r10"))
    assert (await journal.accept(interrupt("i1"))).result == ACCEPTED


async def test_an_operation_that_fails_by_itself_holds_no_other_up(journal: Journal) -> None:
    """Numbers that SQLite has no room for, or any fault of ours, are refused alone."""
    turn = (await journal.accept(message("r1"))).turn.turn
    journal.append(turn, event())
    await journal.mark(turn, Mark("r1", 1, 2**64 - 1))
    with pytest.raises(JournalBroken):
        await journal.finish(turn, final(), 2**70)
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    assert journal.turn("r1").acked_seq == 1


async def test_a_turn_that_has_ended_keeps_what_was_said(journal: Journal) -> None:
    """Of a message its text, for the history; of any other command nothing. Its digest is
    enough to recognise repeats."""
    turn = (await journal.accept(message("r1", "hello", ticket=b""))).turn.turn
    short = (await journal.accept(interrupt("i1"))).turn.turn
    for ended in (turn, short):
        await journal.finish(ended, final(), OUTCOME_COMPLETED)
    assert journal.request_of(turn).send_message.content == "hello"
    assert journal.request_of(short).ByteSize() == 0
    again = await journal.accept(message("r1", "hello", ticket=b""))
    assert again.result == DUPLICATE


async def test_reading_what_is_not_there(journal: Journal) -> None:
    """Unknown ids are told, never made up."""
    with pytest.raises(UnknownTurn, match="r9"):
        journal.turn("r9")
    assert journal.latest_seq() == 0
    assert journal.fact("none") == ""


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """A journal written by a later version is not touched."""
    with sqlite3.connect(tmp_path / schema.FILE_NAME) as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(JournalBroken, match="newer"):
        schema.connect(tmp_path)


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    """A damaged file gives a sentence with its path, not a traceback of another library."""
    (tmp_path / schema.FILE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(JournalBroken, match=schema.FILE_NAME):
        schema.connect(tmp_path)
