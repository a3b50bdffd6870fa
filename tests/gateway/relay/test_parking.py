"""Turns that wait: in their agent's journal, not here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from gateway.delivery.policy import Policy
from gateway.model import Target
from proto.agent.v1 import agent_pb2
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, POLICY, House, attached, house
from tests.gateway.relay.keeper import Keeper
from tests.peers.receiver import Receiver, Reply

LEAVING = replace(POLICY, longest_sleep_s=0.0)
"""No wait is short enough to be slept here."""


def deliveries() -> list[str]:
    """The turns that have a task here."""
    names = (task.get_name() for task in asyncio.all_tasks())
    return sorted(name for name in names if name.startswith("deliver-"))


def held_bytes(home: House) -> int:
    return home.attachments._held.held_bytes


async def test_fault_04_06_retry_after_parks_the_turn() -> None:
    """Nothing comes before the time that the receiver asked for, whatever becomes of this
    gateway: the agent has it on disk, with what failed and how often."""
    async with house() as home:
        home.receiver.script.append(Reply(status=429, headers={"Retry-After": "7"}))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=4)
        relay.events(event(seq=3), event(seq=5))
        [park] = await relay.marked("park")
        assert (park.request_id, park.generation, park.seq) == ("r1", 4, 3)
        assert 7000 <= park.delay_ms <= 7001
        assert (park.attempts, park.failure) == (1, True)
        assert (park.last_status, park.last_error) == (429, "answered 429")
        assert len(home.receiver.hooks) == 1


async def test_a_parked_turn_costs_nothing() -> None:
    """No task, no bytes, no connection of its own; its events are ignored until it is opened
    again, and then it goes on with the first that was not settled."""
    async with house(policy=LEAVING) as home:
        home.receiver.script.extend([Reply(), Reply(status=503)])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2), event(seq=3))
        await relay.marked("park")
        assert not deliveries()
        assert held_bytes(home) == 0
        relay.events(event(seq=4), final(seq=5))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 6))
        await relay.acked("r2", 6)
        assert len(home.receiver.hooks) == 3
        relay.open_turn("r1", home.ticket("r1"), attempts=1)
        relay.events(event(seq=2), event(seq=3), event(seq=4), final(seq=5))
        await relay.acked("r1", 5)
    assert home.receiver.ids[3:] == [*[f"{AGENT}_{seq}" for seq in (2, 3, 4)], f"{AGENT}_r1_final"]


async def test_a_relay_with_nothing_but_parked_turns_ends() -> None:
    """Not even a stream is left of turns that wait for long; their agent nudges."""
    async with house(policy=LEAVING, linger_s=0.05) as home:
        home.receiver.script.append(Reply(status=503))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2))
        await relay.marked("park")
        relay.idle()
        await relay.until(lambda: relay.ended)
        await asyncio.wait_for(relay_ended(), 5)
        assert not home.attachments.relays(AGENT)


async def test_a_failure_that_is_repeated_soon_is_told() -> None:
    """The agent counts every attempt, also those between which no window is lost."""
    async with house() as home:
        home.receiver.script.extend([Reply(status=500), Reply(status=404), Reply()])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=2)
        relay.events(event(seq=7))
        await relay.acked("r1", 7)
    first, second = relay.marks("failed")
    assert (first.request_id, first.generation, first.seq, first.last_status) == ("r1", 2, 7, 500)
    assert (second.last_status, second.last_error) == (404, "answered 404")


async def test_waits_go_on_growing_where_they_were() -> None:
    """The tenth failure waits like a tenth, although this gateway has seen none of the others;
    the next event starts anew."""
    policy = Policy(first_wait_s=0.001, longest_wait_s=1e9, longest_sleep_s=0.05)
    async with house(policy=policy) as home:
        home.receiver.script.append(Reply(status=500))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), attempts=39)
        relay.events(event(seq=1))
        [park] = await relay.marked("park")
        assert park.delay_ms > 1000
        home.receiver.script.extend([Reply(), Reply(status=500), Reply()])
        relay.open_turn("r1", home.ticket("r1"), attempts=40)
        relay.events(event(seq=1), event(seq=2))
        await relay.acked("r1", 2)
        assert len(relay.marks("park")) == 1


@pytest.mark.parametrize(
    ("policy", "attempts", "failing_for_s"),
    [(Policy(), 20, 24 * 3600 + 5), (Policy(max_attempts=5), 4, 60)],
)
async def test_a_spent_budget_abandons_the_turn(
    policy: Policy, attempts: int, failing_for_s: int
) -> None:
    """WEBHOOK_RETRY_FOR and WEBHOOK_MAX_RETRIES count over all gateways; the failure that
    spends them ends the turn's deliveries, in words."""
    async with house(policy=policy) as home:
        home.receiver.script.append(Reply(status=502))
        relay = await attached(home)
        failing_ms = failing_for_s * 1000
        relay.open_turn("r1", home.ticket("r1"), attempts=attempts, failing_ms=failing_ms)
        relay.events(event(seq=1), final(seq=2))
        [abandon] = await relay.marked("abandon")
    assert "502" in abandon.reason
    assert not relay.marks("park")
    assert len(home.receiver.hooks) == 1


async def test_fault_18_a_long_outage() -> None:
    """The circuit opens: turns of that host are parked without being tried and without that
    counting as their failure; another host never notices. Once the host is back a probe finds
    it out, and everything comes, in order."""
    policy = replace(LEAVING, circuit_failures=3, circuit_wait_s=0.2, longest_wait_s=0.2)
    async with house(policy=policy) as home, Receiver() as other:
        home.receiver.default = lambda _: Reply(status=503)
        relay = await attached(home)
        keeper = Keeper(home, relay)
        for number in range(3):
            keeper.open(f"t{number}", *short_turn(number))
        await relay.marked("park", 3)
        for number in range(3, 8):
            keeper.open(f"t{number}", *short_turn(number))
        for park in (await relay.marked("park", 8))[3:]:
            assert (park.failure, park.attempts) == (False, 0)
            assert 0 < park.delay_ms <= 251
        assert len(home.receiver.hooks) == 3
        assert held_bytes(home) == 0
        assert not deliveries()
        relay.open_turn("o", home.ticket("o", Target(webhook_url=other.url)))
        relay.events(final("o", 100))
        await relay.acked("o", 100)
        home.receiver.default = lambda _: Reply()
        await keeper.delivered()
    arrived = home.receiver.ids[3:]
    for number in range(8):
        first, last = f"{AGENT}_{number * 10 + 1}", f"{AGENT}_t{number}_final"
        assert arrived.count(first) == arrived.count(last) == 1
        assert arrived.index(first) < arrived.index(last)


async def test_over_the_budget_of_bytes_turns_are_parked() -> None:
    """What agents send at once never fills the memory; what did not fit is asked for again,
    and no attempt in flight is lost. A turn that holds nothing finds room for one event."""
    async with house(policy=replace(POLICY, held_bytes=50_000, room_wait_s=0.05)) as home:
        gate = asyncio.Event()
        home.receiver.default = lambda _: Reply(gate=gate)
        relay = await attached(home)
        keeper = Keeper(home, relay)
        keeper.open("r1", *[event("r1", seq, session_id="x" * 10_000) for seq in range(1, 21)])
        await home.receiver.wait(1)
        assert held_bytes(home) <= 50_000
        keeper.open("r2", final("r2", 100))
        await home.receiver.wait(2)
        gate.set()
        await keeper.delivered()
        assert held_bytes(home) == 0
    for park in relay.marks("park"):
        assert (park.request_id, park.failure, park.attempts) == ("r1", False, 0)
        assert park.delay_ms <= 76
    assert len(home.receiver.ids) == 21
    assert len(set(home.receiver.ids)) == 21


async def test_fault_35_hosts_that_hang_take_no_room_from_others() -> None:
    """Three hosts let turns with full windows and many with one event wait, far more than the
    gateway may hold: another host's turn has its window, and not one event of it is parked."""
    patient = replace(POLICY, held_bytes=64_000, room_wait_s=0.05, timeout_s=40.0)
    async with house(policy=patient) as home, hanging(3) as dead:
        relay = await attached(home)
        lost = {f"d{number}": dead[number % 3].url for number in range(90)}
        for number, (turn, url) in enumerate(lost.items()):
            relay.open_turn(turn, home.ticket(turn, Target(webhook_url=url)))
            count = 8 if number < 15 else 1
            wide = [event(turn, 10 * number + at, session_id="x" * 800) for at in range(count)]
            relay.events(*wide)
        await relay.until(lambda: len({park.request_id for park in relay.marks("park")}) > 30)
        relay.open_turn("t", home.ticket("t"))
        relay.events(*[event("t", 1000 + seq) for seq in range(9)], final("t", 1009))
        await relay.acked("t", 1009)
        assert held_bytes(home) > 64_000 * 0.7
    assert {park.request_id for park in relay.marks("park")} <= lost.keys()
    assert len(home.receiver.ids) == 10


async def test_bytes_are_given_back_when_a_relay_breaks() -> None:
    """A hundred broken relays leave as much room as none."""
    async with house() as home:
        home.receiver.default = lambda _: Reply(hang=True)
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(*[event(seq=seq) for seq in range(1, 30)])
        await home.receiver.wait(1)
        assert held_bytes(home) > 0
        relay.end()
        await relay.until(lambda: relay.ended)
        await asyncio.wait_for(relay_ended(), 5)
        assert held_bytes(home) == 0


async def test_fault_06_closing_hands_on_what_the_receiver_asked_for() -> None:
    """SIGTERM in mid-POST: the 429 that comes then still keeps the next gateway waiting."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(status=429, headers={"Retry-After": "60"}, gate=gate))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1))
        await home.receiver.wait(1)
        closing = asyncio.create_task(home.attachments.close(5.0))
        await asyncio.sleep(0)
        gate.set()
        await closing
        [park] = await relay.marked("park")
        assert park.delay_ms >= 60_000


@asynccontextmanager
async def hanging(count: int) -> AsyncIterator[list[Receiver]]:
    """So many hosts that never answer."""
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(Receiver()) for _ in range(count)]
        for host in hosts:
            host.default = lambda _: Reply(hang=True)
        yield hosts


async def relay_ended() -> None:
    """Wait until the agent's relay task, if any, has ended."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == f"relay-{AGENT}"]
    if tasks:
        await asyncio.wait(tasks)


def short_turn(number: int) -> tuple[agent_pb2.AgentResponse, ...]:
    turn = f"t{number}"
    return event(turn, number * 10 + 1), final(turn, number * 10 + 2)
