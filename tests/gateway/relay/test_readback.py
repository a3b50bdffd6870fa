"""What an agent's journal holds, read back through the gateway."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pytest

from gateway.delivery.payload import build
from gateway.delivery.ticket import unseal
from gateway.errors import BadRequest, Gone, NotFound, Unavailable
from gateway.model import Agent, Batch, Stretch, Target
from gateway.relay.readback import PAGE_BYTES
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, SECRET, House, house


async def the_agent(home: House) -> Agent:
    return await home.launcher.get(AGENT)


def ended(request_id: str = "r1") -> relay_pb2.Turn:
    return relay_pb2.Turn(
        request_id=request_id,
        state=relay_pb2.TURN_STATE_ENDED,
        outcome=agent_pb2.OUTCOME_COMPLETED,
        delivery=relay_pb2.DELIVERY_STATE_DELIVERED,
        first_seq=1,
        last_seq=3,
    )


async def seqs(home: House, stretch: Stretch) -> list[int]:
    """Everything that following tells, to its end."""
    lists = await home.readback.follow(await the_agent(home), stretch)
    assert lists is not None
    async with aclosing(lists):
        return [told.seq async for some in lists for told in some]


async def test_a_turn_is_told_in_our_words() -> None:
    """Names instead of numbers, times as times; what the agent leaves out is None or zero."""
    async with house() as home:
        home.agent.turns = [
            relay_pb2.Turn(
                request_id="r1",
                state=relay_pb2.TURN_STATE_ENDED,
                outcome=agent_pb2.OUTCOME_TIMED_OUT,
                delivery=relay_pb2.DELIVERY_STATE_PARKED,
                attempts=3,
                next_attempt_ms=1_000,
                last_status=503,
                last_error="HTTP 503",
                rejected_seqs=[2, 4],
                generation=2,
            ),
            relay_pb2.Turn(request_id="r2", created_ms=2**62),
        ]
        one, two = (await home.readback.turns(await the_agent(home))).turns
        assert await home.readback.turn(await the_agent(home), "r2") == two
        with pytest.raises(NotFound):
            await home.readback.turn(await the_agent(home), "r3")
    assert (one.state, one.outcome, one.delivery) == ("ended", "timed_out", "parked")
    assert one.next_attempt_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert one.rejected_seqs == (2, 4)
    assert (two.state, two.outcome, two.delivery) == ("unknown", None, "unknown")
    assert two.next_attempt_at is None
    assert two.created_at.year == 9999


async def test_a_page_stops_at_its_limit() -> None:
    """It says whether there is more; payloads are the webhooks' own bytes."""
    async with house() as home:
        home.agent.replay = [[event(seq=1), event(seq=2)], [], [event(seq=3)]]
        told = await home.readback.page(await the_agent(home), Stretch(after_seq=0), limit=2)
        assert [e.payload for e in told.events] == [build(AGENT, event(seq=s)).body for s in (1, 2)]
        assert told.more
        whole = await home.readback.page(await the_agent(home), Stretch(), limit=3)
        assert [e.seq for e in whole.events] == [1, 2, 3]
        assert not whole.more
    first, second = home.agent.replays
    assert (first.HasField("after_seq"), second.HasField("after_seq")) == (True, False)
    assert not first.follow


async def test_a_page_stops_at_its_size() -> None:
    """Large events make small pages, of one event at least."""
    long = b'"%s"' % (b"x" * PAGE_BYTES)
    huge = event(seq=1, event=agent_pb2.EventPayload(event_type="text", event_json=long))
    async with house() as home:
        home.agent.replay = [[huge, event(seq=2)]]
        told = await home.readback.page(await the_agent(home), Stretch(), limit=9)
    assert [e.seq for e in told.events] == [1]
    assert told.more


async def test_following_a_turn_ends_with_its_final() -> None:
    """Whatever the agent says after it; one that is running is followed from where it is."""
    async with house() as home:
        home.agent.turns = [relay_pb2.Turn(request_id="r1", state=relay_pb2.TURN_STATE_RUNNING)]
        home.agent.replay = [[event(seq=1)], [event(seq=2), final(seq=3)], home.agent.hangs]
        assert await seqs(home, Stretch(request_id="r1")) == [1, 2, 3]
        await home.agent.noticed.until(lambda: home.agent.replays_ended == 2)
    look, follow = home.agent.replays
    assert (look.follow, follow.follow, follow.request_id) == (False, True, "r1")


async def test_a_turn_read_to_its_end_has_nothing_to_follow() -> None:
    """It would never end by itself."""
    async with house() as home:
        home.agent.turns = [ended()]
        read = Stretch(request_id="r1", after_seq=3)
        assert await home.readback.follow(await the_agent(home), read) is None
        with pytest.raises(Gone):
            await home.readback.follow(await the_agent(home), replace(read, after_seq=None))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, Gone),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, Unavailable),
    ],
)
async def test_refusals_are_known_before_anything_is_read(
    code: grpc.StatusCode, error: type[Exception]
) -> None:
    """A stream that cannot begin never does; a page likewise."""
    async with house() as home:
        home.agent.replay = [code]
        with pytest.raises(error):
            await home.readback.follow(await the_agent(home), Stretch(after_seq=1))
        with pytest.raises(error):
            await home.readback.page(await the_agent(home), Stretch(after_seq=1), limit=1)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ([grpc.StatusCode.OUT_OF_RANGE], Gone),
        ([grpc.StatusCode.UNAVAILABLE], Unavailable),
        ([], Unavailable),
    ],
)
async def test_a_break_in_the_middle_is_an_error(
    end: list[grpc.StatusCode], error: type[Exception]
) -> None:
    """Trimmed under the reader's eyes, a runtime that is gone, or one that shut down in order."""
    async with house() as home:
        home.agent.replay = [[event(seq=1)], *end]
        lists = await home.readback.follow(await the_agent(home), Stretch())
        assert lists is not None
        assert [told.seq for told in await anext(lists)] == [1]
        with pytest.raises(error):
            await anext(lists)


async def test_following_goes_on_where_it_was() -> None:
    """A quiet agent is asked now and then whether it is there; its reader sees nothing of it."""
    async with house(follow_s=0.2) as home:
        home.agent.replay = [[event(seq=1)], home.agent.hangs]
        lists = await home.readback.follow(await the_agent(home), Stretch(after_seq=0))
        assert lists is not None
        async with aclosing(lists):
            assert [told.seq for told in await anext(lists)] == [1]
            home.agent.replay = [[event(seq=2)], home.agent.hangs]
            assert [told.seq for told in await anext(lists)] == [2]
    assert [(asked.after_seq, asked.follow) for asked in home.agent.replays] == [
        (0, False),
        (0, True),
        (1, False),
        (1, True),
    ]


async def test_an_agent_that_vanishes_is_not_followed_for_ever() -> None:
    """A machine that is gone closes no connection: the reader is told to look elsewhere."""
    async with house(follow_s=0.2, submit_s=0.2) as home:
        home.agent.replay = [[event(seq=1)], home.agent.hangs]
        lists = await home.readback.follow(await the_agent(home), Stretch())
        assert lists is not None
        async with aclosing(lists):
            await anext(lists)
            home.agent.replay = [home.agent.hangs]
            with pytest.raises(Unavailable):
                await anext(lists)


async def test_leaving_ends_the_agents_work() -> None:
    """A reader that is cancelled while it waits leaves no call behind at the agent."""
    async with house() as home:
        home.agent.replay = [[event(seq=1)], home.agent.hangs]
        lists = await home.readback.follow(await the_agent(home), Stretch())
        assert lists is not None
        await anext(lists)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(lists)
        await lists.aclose()
        await home.agent.noticed.until(lambda: home.agent.replays_ended == 2)


async def test_an_agent_that_hangs_is_unavailable() -> None:
    """In time, and on another channel the next time."""
    async with house(submit_s=0.2) as home:
        home.agent.replay = [home.agent.hangs]
        async with home.links.to(home.agent.target) as before:
            with pytest.raises(Unavailable):
                await home.readback.page(await the_agent(home), Stretch(), limit=1)
        async with home.links.to(home.agent.target) as after:
            assert after is not before


async def test_redelivery_keeps_the_ticket_or_replaces_it() -> None:
    """A new target is sealed for exactly this turn; without one no ticket is sent."""
    async with house() as home:
        home.agent.turns = [ended()]
        assert await home.readback.redeliver(await the_agent(home), "r1") == 2
        agent = await the_agent(home)
        await home.readback.redeliver(agent, "r1", from_seq=2, target=home.target("/new"))
        assert home.agent.attempts == 0
        kept, replaced = home.agent.redeliveries
        assert (kept.request_id, kept.from_seq, kept.ticket) == ("r1", 0, b"")
        opened = unseal(home.keyring, replaced.ticket, agent_id=AGENT, request_id="r1")
        assert (replaced.from_seq, opened) == (2, home.target("/new"))


async def test_redelivery_goes_nowhere_the_guard_refuses() -> None:
    """Refused while it is still the caller's, by the field's name, as for a message."""
    async with house() as home:
        home.agent.turns = [ended()]
        inside = Target(webhook_url="http://169.254.169.254/latest")
        with pytest.raises(BadRequest, match=r"^webhook_url: .*169\.254\.169\.254"):
            await home.readback.redeliver(await the_agent(home), "r1", target=inside)
        assert not home.agent.redeliveries


async def test_redelivery_with_another_secret_alone() -> None:
    """A secret that leaked is replaced; where the events go, and in what batches, stays."""
    async with house() as home:
        batched = replace(home.target("/old"), batch=Batch(max_events=8, max_wait_ms=50))
        turn = ended()
        turn.ticket = home.ticket("r1", batched)
        home.agent.turns = [turn]
        agent = await the_agent(home)
        await home.readback.redeliver(agent, "r1", secret="another")
        [request] = home.agent.redeliveries
        opened = unseal(home.keyring, request.ticket, agent_id=AGENT, request_id="r1")
        assert opened == replace(batched, webhook_secret="another") != batched
        assert SECRET not in repr(await home.readback.turn(agent, "r1"))
        with pytest.raises(BadRequest, match=r"^webhook_secret: base64"):
            await home.readback.redeliver(agent, "r1", secret="whsec_!")
        turn.ticket = home.ticket("r2")
        with pytest.raises(BadRequest, match=r"^webhook_url is missing"):
            await home.readback.redeliver(agent, "r1", secret="another")


async def test_redelivery_attaches_a_relay_where_none_is() -> None:
    """Somebody has to deliver."""
    async with house() as home:
        home.agent.turns = [ended()]
        home.agent.redeliver_answer = relay_pb2.RedeliverResponse(generation=2)
        await home.readback.redeliver(await the_agent(home), "r1")
        await home.agent.relay()


async def test_a_turn_without_a_target_cannot_be_delivered_to_it() -> None:
    """Said by the field's name, instead of a 202 after which nothing comes."""
    async with house() as home:
        home.agent.turns = [relay_pb2.Turn(request_id="r1", delivery=relay_pb2.DELIVERY_STATE_NONE)]
        agent = await the_agent(home)
        with pytest.raises(BadRequest, match="webhook_url"):
            await home.readback.redeliver(agent, "r1")
        with pytest.raises(NotFound):
            await home.readback.redeliver(agent, "r2")
        assert not home.agent.redeliveries
        await home.readback.redeliver(agent, "r1", target=home.target())


async def test_trimmed_events_cannot_be_delivered_again() -> None:
    """410, not a delivery with a hole in it."""
    async with house() as home:
        home.agent.turns = [ended()]
        home.agent.redeliver_answer = grpc.StatusCode.OUT_OF_RANGE
        with pytest.raises(Gone):
            await home.readback.redeliver(await the_agent(home), "r1", from_seq=1)
