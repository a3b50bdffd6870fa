"""Turns that are delivered anew: redelivered, with another secret, from an earlier event."""

import asyncio
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, POLICY, attached, house
from tests.peers.receiver import Reply

OLD = "whsec_b2xkb2xkb2xkb2xkb2xkb2xk"
NEW = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3"


async def test_fault_19_a_secret_rotated_in_mid_turn() -> None:
    """The attempt in flight ends as it was signed and is not acknowledged for the new
    generation; from then on everything is signed with the new secret, from the first event
    that is delivered anew."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.extend([Reply(), Reply(gate=gate)])
        relay = await attached(home)
        old, new = (replace(home.target(), webhook_secret=secret) for secret in (OLD, NEW))
        relay.open_turn("r1", home.ticket("r1", old), generation=1)
        relay.events(event(seq=1), event(seq=2), event(seq=3))
        await home.receiver.wait(2)
        await relay.acked("r1", 1)
        relay.open_turn("r1", home.ticket("r1", new), generation=2)
        relay.events(event(seq=1), event(seq=2), event(seq=3), final(seq=4))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 5))
        await relay.acked("r2", 5)
        assert len(home.receiver.hooks) == 3  # the old attempt is in flight, so nothing else is
        gate.set()
        await relay.acked("r1", 4)
    turn = [hook for hook in home.receiver.hooks if "r2" not in hook.id]
    assert [hook.id for hook in turn[:2]] == [f"{AGENT}_1", f"{AGENT}_2"]
    assert [hook.id for hook in turn[2:]] == [
        *[f"{AGENT}_{seq}" for seq in (1, 2, 3)],
        f"{AGENT}_r1_final",
    ]
    for hook, secret in zip(turn, [OLD, OLD, NEW, NEW, NEW, NEW], strict=True):
        Webhook(secret).verify(hook.body, dict(hook.headers))
    assert max(seq for turn, old, seq in relay.acks if (turn, old) == ("r1", 1)) <= 2


async def test_a_new_generation_waits_for_no_backoff() -> None:
    """Somebody who asks for redelivery gets it at once, not after the old wait."""
    slow = replace(POLICY, first_wait_s=600, longest_wait_s=600, longest_sleep_s=600)
    async with house(policy=slow) as home:
        home.receiver.script.append(Reply(status=500))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=1)
        relay.events(event(seq=1))
        await relay.marked("failed")
        relay.open_turn("r1", home.ticket("r1"), generation=2)
        relay.events(event(seq=1), final(seq=2))
        await relay.acked("r1", 2)
    assert {generation for _, generation, _ in relay.acks} == {2}


async def test_only_the_last_of_several_generations_is_delivered() -> None:
    """Redelivered again while the first attempt is still in flight: one attempt at a time."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay = await attached(home)
        for generation in (1, 2, 3):
            target = home.target(f"/{generation}")
            relay.open_turn("r1", home.ticket("r1", target), generation=generation)
            relay.events(event(seq=1), final(seq=2))
            await home.receiver.wait(1)
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 9))
        await relay.acked("r2", 9)
        gate.set()
        await relay.acked("r1", 2)
    paths = [hook.path for hook in home.receiver.hooks if "r2" not in hook.id]
    assert paths == ["/1", "/3", "/3"]
    assert {generation for turn, generation, _ in relay.acks if turn == "r1"} <= {1, 3}


@pytest.mark.parametrize(
    ("status", "mark"), [(200, "ack"), (422, "reject"), (503, "park"), (410, "abandon")]
)
async def test_the_attempt_in_flight_is_told_when_it_ends(status: int, mark: str) -> None:
    """For the old generation, where it changes nothing. But a relay that holds events and says
    nothing of any for a minute is dead, and two attempts one after the other may take longer."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.extend([Reply(status=status, gate=gate), Reply(), Reply(hang=True)])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=1)
        relay.events(event(seq=1), event(seq=2))
        await home.receiver.wait(1)
        relay.open_turn("r1", home.ticket("r1"), generation=2)
        relay.events(event(seq=1), event(seq=2))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 5))
        await relay.acked("r2", 5)
        gate.set()
        if mark == "ack":
            await relay.until(lambda: ("r1", 1, 1) in relay.acks)
            return
        [told] = await relay.marked(mark)
        assert (told.request_id, told.generation) == ("r1", 1)


async def test_a_turn_without_anything_in_flight_is_replaced_at_once() -> None:
    """Its old ticket did not open; the new one does."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", b"broken", generation=1)
        relay.open_turn("r1", home.ticket("r1"), generation=2)
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
    assert not relay.marks("park")
