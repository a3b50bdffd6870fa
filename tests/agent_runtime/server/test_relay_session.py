"""One relay over a real journal: parking, failures, redelivering, death, wanted kinds."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import MAX_PARK_MS
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.nudger import Nudger
from agent_runtime.server.relay_parked import MAX_WAIT_S, Parked
from agent_runtime.server.relay_session import AFTERLIFE_S, SILENCE_S, STALL_S
from agent_runtime.server.relay_slot import RelaySlot, RelayTaken
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import event, final, message
from tests.agent_runtime.server.relaying import Gateway

OF_R1 = agent_pb2.AgentResponse(request_id="r1").SerializeToString()


class Agent:
    """A journal with one running turn, and its slot."""

    def __init__(self, journal: Journal, turn: int) -> None:
        self.journal = journal
        self.turn = turn
        self.slot = RelaySlot()

    async def emit(self, count: int = 1, *, wanted: bool = True) -> None:
        for _ in range(count):
            self.journal.append(self.turn, OF_R1 + event(), wanted=wanted)
        await self.written()

    async def finish(self) -> None:
        await self.journal.finish(self.turn, OF_R1 + final(), 1)

    async def written(self) -> None:
        await self.journal.put_fact("written", "")

    async def until(self, **told: object) -> None:
        """The turn's row says so."""
        watch = self.journal.watch()
        try:
            async with asyncio.timeout(10):
                while any(
                    getattr(self.journal.turn("r1"), name) != is_ for name, is_ in told.items()
                ):
                    await watch.changed()
        finally:
            watch.close()


@asynccontextmanager
async def relayed(
    agent: Agent, *, silence_s: float = 60, stall_s: float = 60
) -> AsyncIterator[Gateway]:
    gateway = Gateway(agent.journal, agent.slot, silence_s=silence_s, stall_s=stall_s)
    try:
        yield gateway
    finally:
        await gateway.hang_up()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    async with Journal(tmp_path) as journal:
        accepted = await journal.accept(message("r1"))
        yield Agent(journal, accepted.turn.turn)


async def test_a_parked_turn_is_opened_when_it_is_due_and_not_before(agent: Agent) -> None:
    """Whatever else happens to it meanwhile; and the gateway is told what failed so far."""
    await agent.emit(3)
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", 3)
        parked_ms = now_ms()
        gateway.park("r1", delay_ms=400)
        await agent.emit(3)
        await agent.until(attempts=1, last_status=503, last_error="HTTP 503")
        await agent.emit(3)
        assert len(gateway.opened) == 1
        assert agent.journal.turn("r1").delivery(now_ms()) == relay_pb2.DELIVERY_STATE_PARKED
        held = await gateway.until_pending("r1", 9)
        assert now_ms() >= parked_ms + 400
        assert held.opened.attempts == 1
        assert parked_ms <= held.opened.first_failure_ms <= parked_ms + 400
        assert 400 <= held.opened.failing_ms <= now_ms() - parked_ms


async def test_with_nothing_but_parked_turns_a_relay_may_go(agent: Agent) -> None:
    """It is told that it is idle, each time anew; what comes due meanwhile it still gets."""
    await agent.emit(2)
    async with relayed(agent) as gateway:
        for _ in range(2):
            await gateway.until_pending("r1", 2)
            assert not gateway.idle.is_set()
            gateway.park("r1", delay_ms=300)
            async with asyncio.timeout(10):
                await gateway.idle.wait()
            assert agent.journal.turn("r1").delivery(now_ms()) == relay_pb2.DELIVERY_STATE_PARKED
        await gateway.until_pending("r1", 2)


async def test_failures_are_counted_until_the_mark_moves(agent: Agent) -> None:
    """Those repeated at once and the one that parks; what waits for room is no failure."""
    await agent.emit(2)
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", 2)
        gateway.fail("r1")
        gateway.fail("r1")
        gateway.park("r1", delay_ms=1)
        held = await gateway.until_pending("r1", 2)
        assert held.opened.attempts == 3
        first_ms = held.opened.first_failure_ms
        gateway.park("r1", delay_ms=1, attempts=0, failure=False)
        held = await gateway.until_pending("r1", 2)
        assert (held.opened.attempts, held.opened.first_failure_ms) == (3, first_ms)
        gateway.ack("r1", 1)
        await agent.until(attempts=0, first_failure_ms=0, last_status=0, last_error="")
        gateway.fail("r1")
        await agent.until(attempts=1)


async def test_a_park_that_counts_every_attempt_since_the_opening_counts_the_same(
    agent: Agent,
) -> None:
    """Attempts told one by one are not counted again."""
    await agent.emit()
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1")
        gateway.fail("r1")
        gateway.park("r1", delay_ms=1, attempts=2)
        assert (await gateway.until_pending("r1")).opened.attempts == 2


async def test_fault_19_a_redelivered_turn_is_opened_anew_and_old_marks_change_nothing(
    agent: Agent,
) -> None:
    """New ticket, new generation, from before the first refused one; marks of the old one are
    ignored."""
    await agent.emit(4)
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", 4)
        gateway.ack("r1", 1)
        gateway.reject("r1")
        gateway.ack("r1", 1)
        await agent.until(acked_seq=3)
        assert await agent.journal.redeliver("r1", 0, b"new") == 2
        held = await gateway.until_pending("r1", 3)
        assert (held.opened.generation, held.opened.ticket) == (2, b"new")
        assert held.opened.acked_seq == 1
        late = relay_pb2.Ack(request_id="r1", generation=1, seq=4)
        gateway.say(relay_pb2.RelayUp(ack=late))
        gateway.ack("r1", 1)
        await agent.until(acked_seq=2)
        assert agent.journal.outstanding.rejected(agent.turn) == []


async def test_redelivering_takes_back_an_abandoning_and_a_wait(agent: Agent) -> None:
    """Abandoned or parked for an hour: it is delivered now, all of it that was not settled."""
    await agent.emit(2)
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", 2)
        gateway.park("r1", delay_ms=3_600_000)
        await agent.until(attempts=1)
        await agent.journal.redeliver("r1", 0, None)
        held = await gateway.until_pending("r1", 2)
        assert (held.opened.generation, held.opened.attempts) == (2, 0)
        gateway.abandon("r1")
        await agent.until(abandoned="HTTP 410")
        await gateway.idle.wait()
        await agent.journal.redeliver("r1", 0, None)
        assert (await gateway.until_pending("r1", 2)).opened.generation == 3


async def test_fault_33_a_silent_relay_is_replaced_and_only_its_marks_still_count(
    agent: Agent,
) -> None:
    """Another may attach; late acks save a repeat, late parks and abandons harm nobody."""
    await agent.emit(3)
    async with relayed(agent, silence_s=0.2) as hung:
        await hung.until_pending("r1", 3)
        with pytest.raises(RelayTaken):
            Gateway(agent.journal, agent.slot)
        await hung.dead.wait()
        assert not agent.slot.attached
        hung.ack("r1", 1)
        await agent.until(acked_seq=1)
        async with relayed(agent) as second:
            await second.until_pending("r1", 2)
            hung.ack("r1", 1)
            await agent.until(acked_seq=2)
            hung.fail("r1")
            hung.park("r1", delay_ms=3_600_000)
            hung.abandon("r1")
            await hung.over()
            assert "silent" in hung.reason
            turn = agent.journal.turn("r1")
            assert (turn.abandoned, turn.next_attempt_ms, turn.attempts) == (None, 0, 0)
            second.ack("r1", 2)
            await agent.until(acked_seq=3)


async def test_a_dead_relay_that_wakes_up_is_told_soon(agent: Agent) -> None:
    """With nobody to take its place it would else hold its turns for as long as it may."""
    await agent.emit(3)
    async with relayed(agent, silence_s=0.2) as hung:
        await hung.until_pending("r1", 3)
        await hung.dead.wait()
        hung.ack("r1", 2)
        async with asyncio.timeout(AFTERLIFE_S / 2):
            await hung.over()
        assert agent.journal.turn("r1").acked_seq == 2


async def test_fault_06_a_relay_begins_with_what_the_one_before_said_last(agent: Agent) -> None:
    """It parked and went while the disk was slow; the next one does not try too early."""
    go_on = threading.Event()
    await agent.emit(3)
    async with relayed(agent) as first:
        await first.until_pending("r1", 3)
        agent.journal._writer.submit(lambda _: go_on.wait(10))
        first.park("r1", delay_ms=3_600_000)
        first.close()
        await first.over()
    async with relayed(agent) as second:
        assert not await second.dead_within(0.1)
        go_on.set()
        await agent.until(attempts=1)
        await agent.written()
        assert second.opened == []


async def test_the_nudger_remembers_nothing_while_a_relay_is_attached(
    agent: Agent, tmp_path: Path
) -> None:
    """It would gather every turn of a life; what is due is in the tables."""
    nudger = Nudger(
        agent_id="agent-1", where=f"dir:{tmp_path}", journal=agent.journal, slot=agent.slot
    )
    nudging = asyncio.create_task(nudger.run())
    async with relayed(agent) as gateway:
        await agent.emit()
        await gateway.until_pending("r1")
        assert len(agent.journal._watches) == 1  # the relay's own
    nudging.cancel()
    await asyncio.wait({nudging})


async def test_signs_of_life_keep_a_relay(agent: Agent) -> None:
    """One that has nothing open may be silent; one that has must say something."""
    async with relayed(agent, silence_s=0.2) as gateway:
        await agent.emit()
        await gateway.until_pending("r1")
        async with asyncio.timeout(10):
            for _ in range(10):
                gateway.alive()
                await gateway.dead_within(0.05)
        assert not gateway.dead.is_set()


async def test_a_relay_that_holds_events_and_never_settles_is_dead(agent: Agent) -> None:
    """However alive it says it is."""
    await agent.emit()
    async with relayed(agent, stall_s=0.3) as gateway:
        await gateway.until_pending("r1")
        async with asyncio.timeout(10):
            while not await gateway.dead_within(0.05):
                gateway.alive()
        assert not agent.slot.attached


async def test_what_is_not_wanted_takes_no_window_and_the_mark_passes_over_it(
    agent: Agent,
) -> None:
    """A thousand deltas that nobody asked for neither travel nor keep the turn open."""
    await agent.emit(500, wanted=False)
    assert agent.journal.turn("r1").acked_seq == 500
    await agent.emit()
    await agent.emit(500, wanted=False)
    await agent.finish()
    async with relayed(agent) as gateway:
        held = await gateway.until_pending("r1", 2)
        assert [got.seq for got in held.pending] == [501, 1002]
        gateway.ack("r1", 1)
        await agent.until(acked_seq=501)
        gateway.ack("r1", 1)
        await agent.until(acked_seq=1002, settled=True)
        await gateway.idle.wait()


async def test_the_window_is_1_mib_too(agent: Agent) -> None:
    """Large events stop at a MiB beyond the mark, one at least always goes."""
    for size in (600_000, 600_000, 2_000_000, 10):
        agent.journal.append(agent.turn, OF_R1 + event("x" * size))
        await agent.written()
    async with relayed(agent) as gateway:
        for seq in (1, 2, 3, 4):
            held = await gateway.until_pending("r1")
            assert [got.seq for got in held.pending] == [seq]
            gateway.ack("r1", 1)
        await agent.until(acked_seq=4)


@pytest.mark.parametrize(("size", "window"), [(10, 64), (400_000, 2)])
async def test_a_window_opens_before_its_acknowledgement_is_on_disk(
    agent: Agent, size: int, window: int
) -> None:
    """Marks wait for other things to write: what is delivered next must not wait with them."""
    go_on = threading.Event()
    for _ in range(window + 1):
        agent.journal.append(agent.turn, OF_R1 + event("x" * size))
        await agent.written()
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", window)
        agent.journal._writer.submit(lambda _: go_on.wait(20))
        gateway.ack("r1", 1)
        held = await gateway.until_pending("r1", window)
        go_on.set()
        assert held.pending[-1].seq == window + 1
        assert agent.journal.turn("r1").acked_seq == 0


async def test_an_acknowledgement_of_what_was_not_sent_settles_only_what_was(
    agent: Agent,
) -> None:
    """A gateway that is mistaken loses no event."""
    await agent.emit(70)
    async with relayed(agent) as gateway:
        await gateway.until_pending("r1", 64)
        gateway.turns["r1"].pending.clear()
        ack = relay_pb2.Ack(request_id="r1", generation=1, seq=1 << 60)
        gateway.say(relay_pb2.RelayUp(ack=ack))
        held = await gateway.until_pending("r1", 6)
        assert held.pending[0].seq == 65


def test_a_clock_that_is_set_delays_no_turn_for_ever() -> None:
    """Set back by a year, what seems to be due in a year is due now; forward: seen soon."""
    now = 1_000_000_000_000
    parked = Parked()
    parked.put(1, now + MAX_PARK_MS)
    parked.put(2, now + 100)
    assert parked.wait_s(now) == pytest.approx(0.1)
    assert parked.take_due(now) == set()
    assert parked.take_due(now + 100) == {2}
    assert parked.wait_s(now + 100) == MAX_WAIT_S
    assert parked.take_due(now) == set()
    assert parked.take_due(now - 1) == {1}
    assert parked.wait_s(now) is None


def test_a_dead_relay_is_found_out_when_the_contract_says() -> None:
    """relay.proto: 10 s of silence, 60 s with events and no word of them."""
    assert (SILENCE_S, STALL_S) == (10.0, 60.0)
