"""Notes and journals that tell different things, and pods that nobody relays."""

from typing import Any

import grpc

from gateway.relay.pods.claims import Claims, Loss
from proto.relay.v1 import relay_pb2
from tests.gateway.delivery.events import final
from tests.gateway.relay.house import AGENT
from tests.gateway.relay.pods.town import UID, town


def turn(name: str, delivery: Any) -> relay_pb2.Turn:
    return relay_pb2.Turn(request_id=name, state=relay_pb2.TURN_STATE_ENDED, delivery=delivery)


async def test_a_noted_pod_without_a_relay_is_attached() -> None:
    """Its agent may have lost the nudge, or the gateway that heard it its life."""
    async with town() as home:
        home.noted(home.note("r1"))
        relay = await home.agent.relay()
        home.agent.turns[:] = [turn("r1", relay_pb2.DELIVERY_STATE_PENDING)]
        relay.open_turn("r1", home.ticket("r1"), age_ms=5000)
        relay.events(final("r1", seq=3))
        await relay.acked("r1", 3)
        assert not home.cluster.notes(AGENT)


async def test_it_is_asked_for_again_while_another_gateway_relays() -> None:
    """Refused each time, at a pace; whoever dies is replaced."""
    async with town(gateways=2, reattach_s=0.1) as home:
        home.agent.turns[:] = [turn("r1", relay_pb2.DELIVERY_STATE_PARKED)]
        relay = await home.relayed(by=1)
        home.agent.refuses = grpc.StatusCode.ALREADY_EXISTS
        home.noted(home.note("r1"))
        await home.agent.noticed.until(lambda: home.agent.attempts >= 3)
        home.agent.refuses = None
        relay.end()
        await home.agent.relay(2)


async def test_notes_of_settled_turns_go_on_attach() -> None:
    """Left by a gateway that died between the mark and the note's removal."""
    async with town() as home:
        home.agent.turns[:] = [
            turn("done", relay_pb2.DELIVERY_STATE_DELIVERED),
            turn("given-up", relay_pb2.DELIVERY_STATE_ABANDONED),
            turn("parked", relay_pb2.DELIVERY_STATE_PARKED),
        ]
        home.noted(home.note("done"), home.note("given-up"), home.note("parked"))
        await home.until(lambda: home.cluster.notes(AGENT).keys() == {"parked"})
        assert not home.receiver.hooks


async def test_a_turn_that_a_drained_journal_does_not_know_is_lost() -> None:
    """Its journal was lost and not its pod: that turn ends, and the agent goes on meanwhile,
    relayed as before."""
    async with town() as home:
        home.noted(home.note("r1"))
        [hook] = await home.receiver.wait(1)
        assert hook.id == f"{AGENT}_r1_final"
        assert hook.json()["error"]["code"] == "AGENT_LOST"
        relay = await home.agent.relay()
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", seq=1))
        await relay.acked("r2", 1)
        await home.until(lambda: not home.cluster.notes(AGENT))


async def test_an_undrained_journal_is_not_believed_to_know_nothing() -> None:
    """It is told first that it is drained: only from then on what is unknown is lost."""
    async with town() as home:
        home.agent.drained = ""
        home.noted(home.note("r1"))
        await home.receiver.wait(1)
        assert home.agent.drained_as == [UID]


async def test_claimed_notes_are_left_to_who_claims_them() -> None:
    """Nobody asks a journal about them."""
    async with town() as home:
        loss = Loss("AGENT_LOST", "the journal does not know it", apart=True)
        home.noted(Claims("other").ending(home.note("r1"), loss), home.note("r2"))
        home.agent.turns[:] = [
            turn("r1", relay_pb2.DELIVERY_STATE_DELIVERED),
            turn("r2", relay_pb2.DELIVERY_STATE_DELIVERED),
        ]
        await home.until(lambda: home.cluster.notes(AGENT).keys() == {"r1"})
        assert not home.receiver.hooks


async def test_redelivering_elsewhere_replaces_the_notes_ticket_before_the_answer() -> None:
    """Else a final of a lost agent would go where nobody wants it any more."""
    async with town() as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        before = home.cluster.notes(AGENT)["r1"]
        target = home.target("/elsewhere")
        generation = await home.gateway.readback.redeliver(home.at, "r1", target=target)
        note = home.cluster.notes(AGENT)["r1"]
        assert note.generation == generation == 2
        assert note.sealed == home.agent.redeliveries[0].ticket != before.sealed


async def test_redelivering_a_turn_without_a_note_asks_nobody() -> None:
    """The relay makes one, if it takes longer than a moment."""
    async with town() as home:
        await home.gateway.readback.redeliver(home.at, "r1", target=home.target())
        assert home.cluster.asked == 0
