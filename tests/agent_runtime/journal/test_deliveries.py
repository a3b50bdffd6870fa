"""Deliveries on disk: failures, waits, redelivering, and what is not to be delivered."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from agent_runtime.errors import Invalid, Trimmed, UnknownTurn
from agent_runtime.journal import retention, schema
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import MAX_PARK_MS, Failure, Mark
from agent_runtime.journal.space import RESERVE_BYTES
from agent_runtime.journal.statements import now_ms
from proto.agent.v1.agent_pb2 import OUTCOME_COMPLETED
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import event, final, message


async def test_fault_06_a_parked_turn_is_still_parked_after_a_restart(tmp_path: Path) -> None:
    """Attempts, the first failure and the time of the next attempt outlive everybody."""
    async with Journal(tmp_path) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        journal.append(turn, event())
        failure = Failure(
            request_id="r1", generation=1, seq=1, status=429, error="slow down", delay_ms=60_000
        )
        before_ms = now_ms()
        await journal.fail(turn, failure)
    async with Journal(tmp_path) as journal:
        row = journal.turn("r1")
        assert (row.attempts, row.last_status, row.last_error) == (1, 429, "slow down")
        assert before_ms <= row.first_failure_ms <= now_ms()
        assert before_ms + 60_000 <= row.next_attempt_ms <= now_ms() + 60_000
        assert row.delivery(now_ms()) == relay_pb2.DELIVERY_STATE_PARKED
        assert row.delivery(now_ms() + 60_000) == relay_pb2.DELIVERY_STATE_PENDING
        due_in_ms = journal.outstanding.due_in_ms()
        assert due_in_ms is not None
        assert 0 < due_in_ms <= 60_000


async def test_failures_of_what_is_settled_or_of_another_generation_do_not_count(
    journal: Journal,
) -> None:
    """What comes late is harmless."""
    turn = (await journal.accept(message("r1"))).turn.turn
    for _ in range(2):
        journal.append(turn, event())
    await journal.mark(turn, Mark("r1", 1, 1))
    await journal.fail(turn, Failure(request_id="r1", generation=1, seq=1, delay_ms=9))
    await journal.fail(turn, Failure(request_id="r1", generation=2, seq=2, delay_ms=9))
    await journal.abandon(turn, request_id="r1", generation=2, reason="410")
    row = journal.turn("r1")
    assert (row.attempts, row.next_attempt_ms, row.abandoned) == (0, 0, None)


async def test_waits_and_words_are_bounded(journal: Journal) -> None:
    """Nobody parks a turn for a year, or writes a book about it."""
    turn = (await journal.accept(message("r1"))).turn.turn
    journal.append(turn, event())
    failure = Failure(request_id="r1", generation=1, seq=1, error="x" * 100_000, delay_ms=1 << 50)
    await journal.fail(turn, failure)
    row = journal.turn("r1")
    assert len(row.last_error) == 1000
    assert row.next_attempt_ms <= now_ms() + MAX_PARK_MS


async def test_redelivering_moves_the_mark_back_only(journal: Journal) -> None:
    """From a seq, or from the first refused one; never over what was not settled."""
    turn = (await journal.accept(message("r1"))).turn.turn
    for _ in range(4):
        journal.append(turn, event())
    await journal.mark(turn, Mark("r1", 1, 1))
    await journal.mark(turn, Mark("r1", 1, 2, status=403))
    await journal.mark(turn, Mark("r1", 1, 3))
    assert await journal.redeliver("r1", 99, None) == 2
    assert (journal.turn("r1").acked_seq, journal.outstanding.rejected(turn)) == (3, [2])
    assert await journal.redeliver("r1", 0, None) == 3
    assert (journal.turn("r1").acked_seq, journal.outstanding.rejected(turn)) == (1, [])
    assert await journal.redeliver("r1", 1, None) == 4
    assert journal.turn("r1").acked_seq == 0


async def test_redelivering_a_settled_turn_unsettles_it(journal: Journal) -> None:
    """Also one that was read without a webhook so far, once it is given a ticket."""
    turn = (await journal.accept(message("r1", ticket=b""))).turn.turn
    journal.append(turn, event())
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    with pytest.raises(Invalid, match="ticket"):
        await journal.redeliver("r1", 0, None)
    await journal.redeliver("r1", 0, b"t")
    assert journal.outstanding.undelivered() == [turn]
    await journal.mark(turn, Mark("r1", 2, 2))
    assert not journal.outstanding.has_unsettled()
    await journal.redeliver("r1", 2, None)
    assert journal.outstanding.undelivered()
    with pytest.raises(UnknownTurn):
        await journal.redeliver("r9", 0, None)


async def test_a_redelivery_whose_caller_went_away_is_told_to_relays(journal: Journal) -> None:
    """Else what it begins would wait for as long as the relay lasts."""
    turn = (await journal.accept(message("r1"))).turn.turn
    await journal.finish(turn, final(), OUTCOME_COMPLETED)
    await journal.mark(turn, Mark("r1", 1, 1))
    watch = journal.watch()
    call = asyncio.create_task(journal.redeliver("r1", 1, None))
    await asyncio.sleep(0)
    call.cancel()
    await journal.caught_up()
    assert await watch.changed(timeout_s=5) == {turn}
    assert journal.outstanding.undelivered() == [turn]


async def test_a_first_failure_in_the_future_begins_anew(tmp_path: Path) -> None:
    """The clock was set back: the retries would else go on until it is there again."""
    failure = Failure(request_id="r1", generation=1, seq=1, status=500)
    async with Journal(tmp_path) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        journal.append(turn, event())
        await journal.fail(turn, failure)
        first_ms = journal.turn("r1").first_failure_ms
        await journal.fail(turn, failure)
        assert journal.turn("r1").first_failure_ms == first_ms
        other = schema.connect(tmp_path)
        other.execute("UPDATE turns SET first_failure_ms = ?", (now_ms() + 1_000_000,))
        other.close()
        await journal.fail(turn, failure)
        row = journal.turn("r1")
    assert first_ms <= row.first_failure_ms <= now_ms()
    assert row.attempts == 3


async def test_what_is_not_kept_any_more_cannot_be_redelivered(tmp_path: Path) -> None:
    """It is told, and nothing changes."""
    async with Journal(tmp_path, max_bytes=RESERVE_BYTES + 10_000) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        for _ in range(2):
            journal.append(turn, event("x" * 8_000))
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
        await journal.mark(turn, Mark("r1", 1, 3))
        await journal.room()
        with pytest.raises(Trimmed):
            await journal.redeliver("r1", 1, None)
        assert (journal.turn("r1").generation, journal.outstanding.has_unsettled()) == (1, False)


async def test_what_is_left_of_an_abandoned_turn_can_be_redelivered(tmp_path: Path) -> None:
    """Asked for by its seq, after the refusal has said up to where nothing is kept."""
    async with Journal(tmp_path) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        await journal.abandon(turn, request_id="r1", generation=1, reason="410")
        for _ in range(1500):
            journal.append(turn, event())
        await journal.finish(turn, final(), OUTCOME_COMPLETED)
        a_slice = partial(retention.trim, bounds=retention.Bounds(excess_bytes=1))
        await journal._writer.submit(a_slice)
        trimmed, last = journal.turn("r1").trimmed_seq, journal.turn("r1").last_seq
        assert 0 < trimmed < last
        for from_seq in (0, trimmed, last + 1):
            with pytest.raises(Trimmed):
                await journal.redeliver("r1", from_seq, None)
        await journal.redeliver("r1", trimmed + 1, None)
        assert journal.turn("r1").acked_seq == trimmed
        assert journal.outstanding.undelivered() == [turn]


def test_a_journal_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    """Its turns, events and marks are as before, and its size is known."""
    with sqlite3.connect(tmp_path / schema.FILE_NAME) as first:
        first.executescript(schema.MIGRATIONS[0])
        first.execute(
            "INSERT INTO turns (request_id, kind, digest, command, ticket, state, created_ms,"
            " first_seq, last_seq, acked_seq, trimmed_seq)"
            " VALUES ('r1', 2, x'00', x'0102', x'74', 2, 5, 1, 3, 2, 1)"
        )
        for seq in (2, 3):
            first.execute("INSERT INTO events VALUES (?, 1, ?)", (seq, event()))
        first.execute("PRAGMA user_version = 1")
    first.close()
    journal = Journal(tmp_path)
    turn = journal.turn("r1")
    assert (turn.acked_seq, turn.last_seq, turn.attempts, turn.kinds) == (2, 3, 0, "")
    assert journal._space._kept_bytes == 2 + 2 * len(event())
    assert [row.seq for row in journal.cursor(1, 2, wanted=True).take()] == [3]
    with pytest.raises(Trimmed):
        journal.cursor(None, 0, whole=True).take()
    journal._reader.close()
    journal._writer._connection.close()
