"""Commands on their way into an agent's journal."""

from dataclasses import replace

import grpc
import pytest

from gateway.delivery.ticket import unseal
from gateway.errors import BadRequest, Conflict, Exhausted, NotFound, Unavailable
from gateway.model import Agent, Batch, Delivery, Target
from proto.relay.v1 import relay_pb2
from tests.gateway.relay.house import AGENT, House, house

Answer = relay_pb2.SubmitResponse


def known(home: House) -> Agent:
    return home.launcher.agents[AGENT]


async def message(home: House, *, text: str = "hello") -> bool:
    accepted = await home.accept.message(
        known(home), "r1", text, timeout_ms=60_000, target=home.target()
    )
    assert accepted.request_id == "r1"
    return accepted.replayed


async def test_a_message_is_submitted_with_its_sealed_target() -> None:
    """What the agent journals holds the command in clear and the target sealed for this turn."""
    async with house() as home:
        assert not await message(home)
        [submit] = home.agent.submits
        assert submit.request.request_id == "r1"
        assert submit.request.send_message.content == "hello"
        assert submit.request.send_message.timeout_ms == 60_000
        target = unseal(home.keyring, submit.ticket, agent_id=AGENT, request_id="r1")
        assert target == home.target()
        await home.agent.relay()


async def test_an_interrupt_names_its_turn() -> None:
    """The target travels; "" is the running turn."""
    async with house() as home:
        await home.accept.interrupt(known(home), "i1", turn="r1", target=home.target())
        await home.accept.interrupt(known(home), "i2", target=None)
    first, second = home.agent.submits
    assert first.request.interrupt.target == "r1"
    assert second.request.WhichOneof("command") == "interrupt"
    assert second.request.interrupt.target == ""
    assert second.ticket == b""


async def test_a_repeat_is_told_from_the_first() -> None:
    """The same command again is accepted, as a repeat."""
    async with house() as home:
        home.agent.submit_answers = [Answer(result=Answer.RESULT_DUPLICATE, relay_attached=True)]
        assert await message(home)


async def test_a_relay_is_attached_only_where_none_is() -> None:
    """An agent that is relayed, by whomever, is left as it is."""
    async with house() as home:
        home.agent.submit_answers = [
            Answer(result=Answer.RESULT_ACCEPTED, relay_attached=True),
            Answer(result=Answer.RESULT_ACCEPTED),
        ]
        await message(home)
        assert home.agent.attempts == 0
        await message(home)
        await home.agent.relay()


async def test_a_turn_without_a_target_needs_no_relay() -> None:
    """Nothing is to be delivered."""
    async with house() as home:
        await home.accept.message(known(home), "r1", "hello", target=None)
        assert home.launcher.reached == [AGENT]


async def test_delivery_options_travel_in_clear_and_batches_sealed() -> None:
    """The agent reads what it applies itself and nothing else; unasked, nothing is sent."""
    batch = Batch(max_events=8, max_wait_ms=50)
    async with house() as home:
        target = replace(home.target(), batch=batch)
        delivery = Delivery(kinds=("text", "tool.*"), coalesce_ms=250)
        await home.accept.message(known(home), "r1", "hello", target=target, delivery=delivery)
        await home.accept.interrupt(known(home), "i1", target=None)
        message, interrupt = home.agent.submits
        assert list(message.delivery.kinds) == ["text", "tool.*"]
        assert message.delivery.coalesce_ms == 250
        assert unseal(home.keyring, message.ticket, agent_id=AGENT, request_id="r1") == target
        assert not interrupt.HasField("delivery")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(result=Answer.RESULT_CONFLICT), Conflict),
        (grpc.StatusCode.INVALID_ARGUMENT, BadRequest),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Exhausted),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.FAILED_PRECONDITION, Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.UNIMPLEMENTED, Unavailable),
        (None, Unavailable),
    ],
)
async def test_refusals_become_our_own_errors(
    answer: relay_pb2.SubmitResponse | grpc.StatusCode | None, error: type[Exception]
) -> None:
    """Whatever an agent answers, or never does, has a meaning for the caller, in time."""
    async with house(submit_s=0.3) as home:
        home.agent.submit_answers = [answer]
        with pytest.raises(error):
            await message(home)
        assert home.agent.attempts == 0


async def test_an_agent_that_has_just_gone_is_not_found() -> None:
    """404, not 202."""
    async with house() as home:
        gone = replace(known(home), agent_id="gone")
        with pytest.raises(NotFound):
            await home.accept.message(gone, "r1", "hello", target=None)


async def test_an_agent_that_does_not_come_up_is_unavailable() -> None:
    """503, and repeating is safe."""
    async with house() as home:
        del home.launcher.targets[AGENT]
        with pytest.raises(Unavailable):
            await message(home)


async def test_a_runtime_that_is_being_replaced_is_tried_again() -> None:
    """An agent that was just ending by itself takes the message in its next life."""
    async with house() as home:
        home.agent.submit_answers = [
            grpc.StatusCode.FAILED_PRECONDITION,
            grpc.StatusCode.UNAVAILABLE,
            Answer(result=Answer.RESULT_ACCEPTED, relay_attached=True),
        ]
        assert not await message(home)
        assert len(home.launcher.reached) == 3


async def test_a_hung_connection_is_made_anew() -> None:
    """One message runs into its deadline; the next one has another channel."""
    async with house(submit_s=0.2) as home:
        home.agent.submit_answers = [None, Answer(result=Answer.RESULT_ACCEPTED)]
        async with home.links.to(home.agent.target) as before:
            with pytest.raises(Unavailable):
                await message(home)
        await message(home)
        async with home.links.to(home.agent.target) as after:
            assert after is not before


@pytest.mark.parametrize("text", ["\ud800"])
async def test_text_that_cannot_travel_is_refused(text: str) -> None:
    """A lone surrogate is the caller's mistake, not ours."""
    async with house() as home:
        with pytest.raises(BadRequest, match="content"):
            await message(home, text=text)


async def test_fault_24_an_address_that_is_refused_is_the_callers_mistake() -> None:
    """400 that names field and setting, before anything is accepted, rather than a day of
    retries; a name is judged when it is resolved."""
    async with house() as home:
        target = Target(webhook_url="http://169.254.169.254/latest/meta-data")
        with pytest.raises(BadRequest, match="FORGE_WEBHOOK_ALLOW_NETWORKS"):
            await home.accept.message(known(home), "r1", "hello", target=target)
        with pytest.raises(BadRequest, match="webhook_url"):
            await home.accept.interrupt(known(home), "i1", target=target)
        assert not home.agent.submits
        named = Target(webhook_url="http://metadata.example/")
        await home.accept.message(known(home), "r2", "hello", target=named)
