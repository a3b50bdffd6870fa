"""Which agents are relayed, and when a relay is attached again."""

import asyncio

import grpc

from gateway.relay.timing import Timing
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, TIMING, attached, house


async def test_one_relay_an_agent_however_often_it_is_asked_for() -> None:
    """A hundred messages and nudges at once attach one stream."""
    async with house() as home:
        for _ in range(100):
            home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        for _ in range(100):
            home.attachments.ensure(AGENT)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
        assert home.agent.attempts == 1


async def test_fault_33_a_second_gateway_ends_quietly() -> None:
    """ALREADY_EXISTS: another gateway relays; the next nudge finds out whether it still does."""
    async with house() as home:
        home.agent.refuses = grpc.StatusCode.ALREADY_EXISTS
        home.attachments.ensure(AGENT)
        await home.agent.noticed.until(lambda: home.agent.attempts == 1)
        await _idle(AGENT)
        assert home.agent.attempts == 1
        home.agent.refuses = None
        home.attachments.ensure(AGENT)
        await home.agent.relay()


async def test_a_relay_taken_for_dead_is_not_attached_by_itself() -> None:
    """ABORTED: another gateway may have the place by now."""
    async with house() as home:
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        relay.open_turn("r1", home.ticket("r1"))
        relay.end(grpc.StatusCode.ABORTED)
        await _idle(AGENT)
        assert home.agent.attempts == 1


async def test_a_broken_relay_with_open_turns_is_attached_again() -> None:
    """What it held goes on without waiting for a nudge."""
    async with house() as home:
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        relay.open_turn("r1", home.ticket("r1"))
        relay.end(grpc.StatusCode.INTERNAL)
        second = await home.agent.relay(2)
        second.open_turn("r1", home.ticket("r1"))
        second.events(final(seq=1))
        await second.acked("r1", 1)


async def test_a_broken_relay_without_turns_is_left_to_nudges() -> None:
    """Agents that end with nothing to deliver are not started again for it."""
    async with house() as home:
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        relay.end(grpc.StatusCode.UNAVAILABLE)
        await _idle(AGENT)
        assert home.agent.attempts == 1


async def test_a_runtime_that_ends_in_order_is_left_to_nudges() -> None:
    """Its stream ends with OK, also with turns open: the next runtime nudges."""
    async with house() as home:
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        relay.open_turn("r1", home.ticket("r1"))
        relay.end()
        await _idle(AGENT)
        assert home.agent.attempts == 1


async def test_attaching_gives_up_after_a_while() -> None:
    """An agent that cannot be relayed costs a bounded number of attempts, then waits to be
    asked for."""
    async with house(attaches=3) as home:
        home.agent.refuses = grpc.StatusCode.INTERNAL
        home.attachments.ensure(AGENT)
        await home.agent.noticed.until(lambda: home.agent.attempts == 3)
        await _idle(AGENT)
        assert home.agent.attempts == 3


async def test_an_agent_that_does_not_greet_gets_another_connection() -> None:
    """A stuck channel is not used for ever."""
    async with house(hello_s=0.2) as home:
        home.agent.greets = False
        home.attachments.ensure(AGENT)
        await home.agent.relay()
        home.agent.greets = True
        second = await home.agent.relay(2)
        second.open_turn("r1", home.ticket("r1"))
        second.events(final(seq=1))
        await second.acked("r1", 1)


async def test_an_agent_that_never_greets_is_given_up() -> None:
    """However long each of its silences lasts."""
    async with house(attaches=3, hello_s=0.2, longest_backoff_s=0.01) as home:
        home.agent.greets = False
        home.attachments.ensure(AGENT)
        await home.agent.noticed.until(lambda: home.agent.attempts == 3)
        await _idle(AGENT)
        assert home.agent.attempts == 3


async def test_a_relay_that_worked_begins_its_breaks_anew() -> None:
    """A stream that is cut now and then is attached again for ever."""
    async with house(attaches=2, longest_backoff_s=0.0) as home:
        home.attachments.ensure(AGENT)
        for number in range(1, 6):
            relay = await home.agent.relay(number)
            relay.open_turn("r1", home.ticket("r1"))
            relay.events(event(seq=number))
            await relay.acked("r1", number)
            relay.end(grpc.StatusCode.UNAVAILABLE)
        await home.agent.relay(6)


async def test_who_asks_while_a_relay_is_attached_gets_that_one() -> None:
    """A nudge that is answered by the relay under way costs no second one later."""
    async with house(linger_s=0.01) as home:
        home.agent.greets = False
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        home.attachments.ensure(AGENT)
        relay.greet(AGENT)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
        relay.idle()
        await _idle(AGENT)
        assert home.agent.attempts == 1


async def test_who_asks_while_a_relay_stands_gets_another_after_it() -> None:
    """The agent may have taken the one that stands for dead."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1))
        await relay.acked("r1", 1)
        home.attachments.ensure(AGENT)
        relay.end(grpc.StatusCode.ABORTED)
        await home.agent.relay(2)


async def test_an_agent_that_is_somebody_else_gets_nothing() -> None:
    """A stream that greets with another id is not relayed."""
    async with house(attaches=1) as home:
        home.agent.agent_id = "impostor"
        home.attachments.ensure(AGENT)
        relay = await home.agent.relay()
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await _idle(AGENT)
        assert not home.receiver.hooks


async def test_unknown_agents_cost_one_look() -> None:
    """A name that is nobody's leaves nothing behind."""
    async with house() as home:
        home.attachments.ensure("nobody")
        await _idle("nobody")
        assert home.launcher.reached == ["nobody"]


async def test_a_wrong_token_is_not_tried_for_ever() -> None:
    """An agent that does not know our token hears it once."""
    async with house() as home:
        home.agent.token = "another"
        home.attachments.ensure(AGENT)
        await home.agent.noticed.until(lambda: home.agent.attempts == 1)
        await _idle(AGENT)
        assert home.agent.attempts == 1
        assert not home.agent.relays


def test_the_agent_hears_of_its_relay_in_time() -> None:
    """relay.proto: `alive` at least every 3 s."""
    assert Timing().alive_s < 3.0
    assert TIMING.alive_s < 3.0


async def _idle(agent_id: str) -> None:
    """Wait until the agent's relay task, if any, has ended."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == f"relay-{agent_id}"]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=5)
        assert not late
