"""A journal that goes with its pod lets in as many turns as there is room for notes of."""

from pathlib import Path

import pytest

from agent_runtime.errors import Exhausted
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Mark
from agent_runtime.journal.ticket_budget import NOTE_BYTES, TicketBudget
from agent_runtime.turns.command import check
from proto.agent.v1.agent_pb2 import OUTCOME_COMPLETED, AgentRequest, InterruptRequest
from tests.agent_runtime.commands import final, message

BUDGET = TicketBudget(8_000)
MESSAGES_BYTES = 7_500
"""What of it is for messages."""
LITTLE_BYTES = NOTE_BYTES + 10


def of_bytes(name: str, size_bytes: int) -> bytes:
    """A ticket: with its note and the turn's name it takes that much."""
    return name.encode().ljust(size_bytes - NOTE_BYTES - len(name), b".")


async def put(journal: Journal, name: str, size_bytes: int) -> int:
    """A message with a ticket that takes so much; the number of its turn."""
    accepted = await journal.accept(message(name, ticket=of_bytes(name, size_bytes)))
    return accepted.turn.turn


async def settle(journal: Journal, turn: int, name: str, generation: int = 1) -> None:
    seq = await journal.finish(turn, final(), OUTCOME_COMPLETED)
    await journal.mark(turn, Mark(name, generation, seq))


async def refuses(journal: Journal, name: str, size_bytes: int) -> bool:
    """Whether it has no room for such a ticket; what is refused leaves nothing."""
    before = len(journal.turns(limit=100))
    with pytest.raises(Exhausted, match="room for notes"):
        await put(journal, name, size_bytes)
    return len(journal.turns(limit=100)) == before


async def test_tickets_of_unsettled_turns_are_bounded_together(tmp_path: Path) -> None:
    """To the byte; a settled turn makes room, a repeat and a turn without ticket need none."""
    async with Journal(tmp_path, tickets=BUDGET) as journal:
        turn = await put(journal, "r1", 5_000)
        assert await refuses(journal, "r2", MESSAGES_BYTES - 5_000 + 1)
        await put(journal, "r2", MESSAGES_BYTES - 5_000)
        assert await refuses(journal, "r3", LITTLE_BYTES)
        await put(journal, "r1", 5_000)
        await journal.accept(message("r4", ticket=b""))
        await settle(journal, turn, "r1")
        await put(journal, "r3", 5_000)
        assert await refuses(journal, "r5", LITTLE_BYTES)


async def test_the_bound_holds_over_restarts(tmp_path: Path) -> None:
    """A runtime that is restarted in its pod goes on counting where it was."""
    async with Journal(tmp_path, tickets=BUDGET) as journal:
        await put(journal, "r1", 5_000)
        turn = await put(journal, "r2", 2_500)
    async with Journal(tmp_path, tickets=BUDGET) as journal:
        assert await refuses(journal, "r3", LITTLE_BYTES)
        await settle(journal, turn, "r2")
        await put(journal, "r3", 2_500)


async def test_an_interrupt_gets_through_when_messages_do_not(tmp_path: Path) -> None:
    """There is a reserve for it, within the bound."""
    interrupt = AgentRequest(request_id="i1", interrupt=InterruptRequest(target="r1"))
    async with Journal(tmp_path, tickets=BUDGET) as journal:
        await put(journal, "r1", MESSAGES_BYTES)
        with pytest.raises(Exhausted):
            await journal.accept(check(interrupt, ticket=of_bytes("i1", 501)))
        await journal.accept(check(interrupt, ticket=of_bytes("i1", 500)))


async def test_a_redelivery_counts_with_the_ticket_it_has_then(tmp_path: Path) -> None:
    """It unsettles the turn, and may bring a larger ticket or a smaller one."""
    async with Journal(tmp_path, tickets=BUDGET) as journal:
        turn = await put(journal, "r1", 3_000)
        await settle(journal, turn, "r1")
        await put(journal, "r2", 5_001)
        with pytest.raises(Exhausted):
            await journal.redeliver("r1", 0, None)
        assert journal.turn("r1").settled
        assert await journal.redeliver("r1", 1, of_bytes("r1", 2_999)) == 2
        with pytest.raises(Exhausted):
            await journal.redeliver("r1", 1, of_bytes("r1", 3_000))
        assert await journal.redeliver("r1", 1, of_bytes("r1", 500)) == 3
        await put(journal, "r3", MESSAGES_BYTES - 5_501)
        assert await refuses(journal, "r4", LITTLE_BYTES)


async def test_a_journal_that_is_kept_has_no_such_bound(tmp_path: Path) -> None:
    """Nothing else keeps its turns."""
    async with Journal(tmp_path) as journal:
        for number in range(50):
            await put(journal, f"r{number}", 8000)
