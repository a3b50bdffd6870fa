"""An agent that was taken over: its relay breaks no rule of anybody but itself."""

import pytest

from gateway.relay.agent_relay import MAX_REQUEST_ID, MAX_TURNS
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, attached, house
from tests.gateway.relay.test_attach import _idle


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
