"""What a journal lets go of, and at what cost."""

from pathlib import Path

import pytest

from agent_runtime.errors import Trimmed, UnknownTurn
from agent_runtime.journal import retention, schema
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Mark
from agent_runtime.journal.space import RESERVE_BYTES
from proto.agent.v1.agent_pb2 import OUTCOME_COMPLETED
from tests.agent_runtime.commands import event, final, message

SMALL = RESERVE_BYTES + 40_000


async def fill(journal: Journal, turn: int, count: int) -> None:
    """Events of 10 kB, each once there is room for it."""
    for _ in range(count):
        await journal.room()
        journal.append(turn, event("x" * 10_000))
        await journal.put_fact("written", "")


async def test_a_long_turn_lets_go_of_what_it_has_delivered(tmp_path: Path) -> None:
    """One turn may say more than the journal holds, as long as it is delivered."""
    async with Journal(tmp_path, max_bytes=SMALL) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        for last in range(1, 31):
            await fill(journal, turn, 1)
            await journal.mark(turn, Mark("r1", 1, last))
        row = journal.turn("r1")
        assert 20 < row.trimmed_seq <= row.acked_seq == 30
        assert (await journal.finish(turn, final(), OUTCOME_COMPLETED)) == 31
        assert journal.outstanding.undelivered() == [turn]


@pytest.mark.parametrize("abandoned", [True, False])
async def test_a_turn_that_needs_no_delivery_never_waits(
    tmp_path: Path, *, abandoned: bool
) -> None:
    """Abandoned or without a ticket: its oldest events make room for its newest."""
    async with Journal(tmp_path, max_bytes=SMALL) as journal:
        ticket = b"t" if abandoned else b""
        turn = (await journal.accept(message("r1", ticket=ticket))).turn.turn
        if abandoned:
            await journal.abandon(turn, request_id="r1", generation=1, reason="410")
        await fill(journal, turn, 30)
        kept = journal.cursor(turn, None).take()
        assert 0 < len(kept) < 6
        assert kept[-1].seq == 30


async def test_a_reader_of_all_turns_is_told_of_a_gap(tmp_path: Path) -> None:
    """Also when the turn that the events were of is forgotten."""
    async with Journal(tmp_path, max_bytes=SMALL) as journal:
        turn = (await journal.accept(message("r1", ticket=b""))).turn.turn
        await fill(journal, turn, 10)
        with pytest.raises(Trimmed):
            journal.cursor(None, 1, whole=True).take()
        trimmed = journal.turn("r1").trimmed_seq
        assert journal.cursor(None, trimmed, whole=True).take()[0].seq == trimmed + 1


async def test_a_reader_of_all_that_is_kept_is_not_stopped_by_what_went_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old turn that nobody takes is read to its end though newer ones have gone; what goes
    while it is read is told."""
    monkeypatch.setattr(retention, "MAX_AGE_MS", -60_000)
    async with Journal(tmp_path) as journal:
        old = (await journal.accept(message("r1"))).turn.turn
        for _ in range(100):
            journal.append(old, event())
        new = (await journal.accept(message("r2", ticket=b""))).turn.turn
        journal.append(new, event())
        await journal.caught_up()
        await journal.trim()
        assert journal.turn("r2").trimmed_seq == 101
        reader, other = (journal.cursor(None, None, whole=True) for _ in range(2))
        assert [row.seq for _ in range(2) for row in reader.take()] == list(range(1, 101))
        assert len(other.take()) == 64
        await journal.mark(old, Mark("r1", 1, 100))
        await journal.trim()
        with pytest.raises(Trimmed):
            other.take()


async def test_age_and_number_end_a_turn_and_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events first, then the row; what is unsettled stays, however old."""
    monkeypatch.setattr(retention, "MAX_TURNS", 3)
    async with Journal(tmp_path) as journal:
        for number in range(6):
            turn = (await journal.accept(message(f"r{number}"))).turn.turn
            journal.append(turn, event())
            seq = await journal.finish(turn, final(), OUTCOME_COMPLETED)
            if number:
                await journal.mark(turn, Mark(f"r{number}", 1, seq))
        await journal.trim()
        assert [turn.request_id for turn in journal.turns(limit=9)] == ["r0", "r3", "r4", "r5"]
        with pytest.raises(UnknownTurn):
            journal.turn("r1")
        monkeypatch.setattr(retention, "MAX_AGE_MS", -60_000)
        await journal.trim()
        assert [turn.request_id for turn in journal.turns(limit=9)] == ["r0"]
        assert journal.latest_seq() == 12


def test_nothing_on_the_path_of_an_event_reads_a_whole_table(tmp_path: Path) -> None:
    """What runs for every event, mark or trim finds its rows by an index."""
    connection = schema.connect(tmp_path)
    kept = "SELECT seq FROM events WHERE turn = 1 AND seq > 5 ORDER BY seq LIMIT 64"
    undelivered = "SELECT turn FROM turns WHERE settled = 0 AND ticket IS NOT NULL"
    for query in (kept, undelivered, retention._OLDEST):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        assert all("USING" in step[3] for step in plan), plan
    connection.close()


def test_what_is_kept_is_what_the_docs_say() -> None:
    """docs/operations.md: 256 MiB and 7 days."""
    assert retention.MAX_BYTES == 256 * 1024 * 1024
    assert retention.MAX_AGE_MS == 7 * 24 * 3600 * 1000
