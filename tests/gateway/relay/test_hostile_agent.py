"""An agent that was taken over: its relay breaks no rule of anybody but itself."""

import asyncio
import resource
import sys
from pathlib import Path

import pytest

from gateway.relay.agent_relay import MAX_MARKS, MAX_REQUEST_ID
from gateway.relay.pending import MAX_TURNS
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, attached, house
from tests.gateway.relay.test_attach import _idle
from tests.peers.receiver import Reply


async def test_turns_without_end_end_the_relay() -> None:
    """What an agent opens can never fill the gateway's memory; as many as it may have go."""
    async with house() as home:
        relay = await attached(home)
        for number in range(MAX_TURNS):
            relay.open_turn(f"t{number}", home.ticket("r1"))
        relay.open_turn("t0", home.ticket("t0"), generation=2)
        relay.events(event("t0", 1))
        await relay.acked("t0", 1)
        relay.open_turn("more", home.ticket("more"))
        await relay.until(lambda: relay.ended)
        await _idle(AGENT)
        assert home.agent.attempts == 1


async def test_a_request_id_that_is_none_ends_the_relay(caplog: pytest.LogCaptureFixture) -> None:
    """It is kept, told and logged many times over."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("x" * MAX_REQUEST_ID, home.ticket("x"))
        relay.open_turn("x" * (MAX_REQUEST_ID + 1), home.ticket("x"))
        await relay.until(lambda: relay.ended)
    assert all(len(str(vars(record))) < 4000 for record in caplog.records)


async def test_after_the_farewell_nothing_is_taken() -> None:
    """An agent that does not end a stream we closed, and opens turns instead, does not keep
    it: nothing more is posted, and the relay ends."""
    async with house(linger_s=0.01, farewell_s=0.3) as home:
        relay = await attached(home)
        relay.stays = True
        relay.idle()
        await relay.until(lambda: relay.ended)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await _idle(AGENT)
        assert not home.receiver.hooks
        assert home.agent.attempts == 1


async def test_an_agent_that_does_not_read_ends_its_relay() -> None:
    """Each of its turns, opened again and again, is parked: what is told never piles up."""
    async with house() as home:
        relay = await attached(home)
        relay.reads.clear()
        for _ in range(4 * MAX_MARKS // 1000):
            for _ in range(1000):
                relay.open_turn("r1", b"no ticket at all")
                relay.events(event("r1", 1))
            await relay.sent()
        assert relay.ended
        await _idle(AGENT)
        assert home.agent.attempts == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_is_held_is_what_is_counted() -> None:
    """A small event that came in a large list costs what it counts, not what the list does."""
    async with house() as home:
        home.receiver.default = lambda _: Reply(hang=True)
        relay = await attached(home)
        before = resident_bytes()
        for number in range(60):
            turn = f"t{number}"
            relay.open_turn(turn, home.ticket(turn))
            relay.events(event(turn, number + 1), event("ghost", 99, session_id="x" * 4_000_000))
            await home.receiver.wait(number + 1)
        assert resident_bytes() - before < 150_000_000


async def test_turns_opened_again_and_again_are_one() -> None:
    """Under any generation, also a lower one: nothing is left of those that were replaced, and
    one attempt is in flight."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay = await attached(home)
        ticket = home.ticket("r1")
        for generation in range(2000, 0, -1):
            relay.open_turn("r1", ticket, generation=generation, attempts=-(2**31))
            relay.events(event(seq=2**63), event(seq=1))
        await home.receiver.wait(1)
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 5))
        await relay.acked("r2", 5)
        assert len(home.receiver.hooks) == 2
        gate.set()
        await relay.until(lambda: ("r1", 1, 1) in relay.acks)
        assert home.attachments._held.held_bytes == 0
    assert home.receiver.ids[2:] == [f"{AGENT}_{2**63}", f"{AGENT}_1"]


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
