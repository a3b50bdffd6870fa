"""Notes of turns that take longer than a moment."""

import asyncio

from gateway.relay.pods.claims import Claims, Loss
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT
from tests.gateway.relay.pods.town import town
from tests.peers.receiver import Reply


async def test_a_turn_that_settles_in_time_costs_nothing() -> None:
    """No change of the pod, no question to the API server, no task of its own."""
    async with town(note_after_s=60.0) as home:
        relay = await home.relayed()
        before = asyncio.all_tasks()
        for number in range(50):
            name = f"t{number}"
            relay.open_turn(name, home.ticket(name))
            relay.events(final(name, seq=number + 1))
            await relay.acked(name, number + 1)
        left = {task.get_name() for task in asyncio.all_tasks() - before}
        assert not [name for name in left if name.startswith(("notes-", "pod-"))]
        assert home.cluster.asked == 0


async def test_what_stays_unsettled_is_noted_together() -> None:
    """Twenty turns make one change; each note holds its ticket and generation."""
    async with town(note_after_s=1.0, note_gather_s=1.0) as home:
        relay = await home.relayed()
        for number in range(20):
            relay.open_turn(f"t{number}", home.ticket(f"t{number}"), generation=2)
        await home.until(lambda: len(home.cluster.notes(AGENT)) == 20)
        assert home.cluster.patches == 1
        note = home.cluster.notes(AGENT)["t7"]
        assert (note.kind, note.generation, note.claim) == ("open", 2, None)


async def test_an_old_turn_is_noted_at_once() -> None:
    """Its age counts from when it was accepted, not from when this relay saw it."""
    async with town(note_after_s=30.0) as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"), age_ms=31_000)
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))


async def test_the_note_goes_before_the_mark_of_the_final() -> None:
    """Otherwise an agent that vanished between them would be told lost after its end."""
    async with town() as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        acked: list[bool] = []
        home.cluster.between = lambda: acked.append(bool(relay.acks))
        relay.events(event("r1", 1), final("r1", seq=2))
        await relay.acked("r1", 2)
        assert home.cluster.notes(AGENT) == {}
        assert len(acked) == 1  # one change removed it


async def test_a_final_that_settles_while_its_note_is_written_removes_it() -> None:
    """The change in flight ends first, so that no note comes after the mark."""
    async with town() as home:
        relay = await home.relayed()
        held = asyncio.Event()
        home.cluster.held = held
        relay.open_turn("r1", home.ticket("r1"))
        await home.cluster.noticed.until(lambda: home.cluster.asked == 1)
        relay.events(final("r1", seq=1))
        await home.receiver.wait(1)
        held.set()
        await relay.acked("r1", 1)
        assert home.cluster.notes(AGENT) == {}
        assert home.cluster.patches == 2


async def test_the_mark_goes_all_the_same_without_an_api_server() -> None:
    """Webhooks go on; the note is removed once the API server is back."""
    async with town() as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        home.cluster.down = True
        relay.events(final("r1", seq=1))
        await relay.acked("r1", 1)
        assert "r1" in home.cluster.notes(AGENT)
        home.cluster.down = False
        await home.until(lambda: not home.cluster.notes(AGENT))


async def test_rejected_and_abandoned_turns_lose_their_notes() -> None:
    """Whatever ends the deliveries."""
    async with town() as home:
        relay = await home.relayed()
        for name in ("rejected", "gone"):
            relay.open_turn(name, home.ticket(name, f"/{name}"))
        await home.until(lambda: len(home.cluster.notes(AGENT)) == 2)
        home.receiver.default = lambda hook: Reply(status=400 if hook.path == "/rejected" else 410)
        relay.events(final("rejected", seq=1), event("gone", seq=2))
        await relay.marked("reject")
        await relay.marked("abandon")
        assert home.cluster.notes(AGENT) == {}


async def test_a_turn_that_is_begun_anew_keeps_a_note_with_the_new_ticket() -> None:
    """Redelivered: the later ticket stays, whoever writes last."""
    async with town() as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        relay.open_turn("r1", home.ticket("r1", "/new"), generation=2)
        await home.until(lambda: home.cluster.notes(AGENT)["r1"].generation == 2)


async def test_an_agent_with_a_volume_of_its_own_gets_none() -> None:
    """Its journal outlives its pod."""
    async with town(facts={"keeps_journal": True}) as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"), age_ms=60_000)
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", seq=1))
        await relay.acked("r2", 1)
        assert home.cluster.asked == 0


async def test_turns_that_may_not_be_noted_now_keep_nobody_busy() -> None:
    """Its volume was seen only after its relay had begun, so there is nothing to write."""
    async with town(look_s=60.0) as home:
        relay = await home.relayed()
        home.cluster.change(AGENT, keeps_journal=True)
        relay.open_turn("r1", home.ticket("r1"), age_ms=60_000)
        await home.agent.noticed.until(lambda: bool(home.gateway.ledger.held(AGENT)))
        before = home.gateway.notes.looks
        for _ in range(1000):
            await asyncio.sleep(0)  # as many rounds of the event loop
        assert home.gateway.notes.looks - before < 10


async def test_an_agent_whose_volume_goes_gets_notes_from_then_on() -> None:
    """It is deleted, and what it still owes must outlive its pod."""
    async with town(facts={"keeps_journal": True}) as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"), age_ms=60_000)
        home.cluster.change(AGENT, keeps_journal=False)
        renewed = await home.agent.relay(2)
        renewed.open_turn("r1", home.ticket("r1"), age_ms=60_000)
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))


async def test_closing_in_order_leaves_no_note_of_what_is_settled() -> None:
    """A gateway that is shut down in mid-post still removes the note it is owed."""
    async with town() as home:
        relay = await home.relayed()
        gate = asyncio.Event()
        home.receiver.default = lambda _: Reply(gate=gate)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final("r1", seq=1))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        closing = asyncio.create_task(home.gateway.attachments.close(5.0))
        await home.receiver.wait(1)
        gate.set()
        await closing
        assert home.cluster.notes(AGENT) == {}
        assert relay.acks[-1] == ("r1", 1, 1)


async def test_a_turn_that_another_gateway_ends_is_posted_no_more() -> None:
    """It believes the agent lost; two stories of one turn would cross."""
    async with town() as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event("r1", 1))
        await relay.acked("r1", 1)
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        note = home.cluster.notes(AGENT)["r1"]
        home.noted(Claims("other").ending(note, Loss("AGENT_LOST", "gone")))
        relay.events(event("r1", 2))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(event("r2", 3))
        await relay.acked("r2", 3)
        assert f"{AGENT}_2" not in home.receiver.ids
