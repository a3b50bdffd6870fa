"""Status, tokens and goodbye."""

import asyncio

import grpc
import pytest

from gateway.errors import NotFound, Unavailable
from gateway.model import LiveStatus
from proto.agent.v1 import agent_pb2
from tests.gateway.delivery.events import final
from tests.gateway.relay.house import AGENT, House, attached, house


def _client(home: House) -> str:
    return home.keyring.token(AGENT, "client", key_id=home.keyring.current_id)


async def test_status_is_what_the_agent_says_of_itself() -> None:
    """Asked with the client token, told in our words."""
    async with house() as home:
        home.agent.token = _client(home)
        home.agent.status = agent_pb2.GetStatusResponse(
            session_id="s1",
            state=agent_pb2.AGENT_STATE_PROCESSING,
            latest_seq=7,
            current_model="m",
            permission_mode="default",
            uptime_ms=5,
        )
        status = await home.lifecycle.status(await home.launcher.get(AGENT))
    assert status == LiveStatus(
        session_id="s1",
        state="processing",
        latest_seq=7,
        current_model="m",
        permission_mode="default",
        uptime_ms=5,
    )


async def test_an_agent_that_does_not_answer_has_no_status() -> None:
    """A hung agent costs a bounded wait."""
    async with house(status_s=0.2) as home:
        home.agent.token = _client(home)
        home.agent.greets = False
        agent = await home.launcher.get(AGENT)
        async with asyncio.timeout(3):
            with pytest.raises(Unavailable):
                await home.lifecycle.status(agent)


async def test_the_client_token_is_not_the_relays() -> None:
    """A direct client cannot relay."""
    async with house() as home:
        agent = await home.launcher.get(AGENT)
        assert home.lifecycle.client_token(agent) == _client(home) != home.agent.token


@pytest.mark.parametrize("graceful", [True, False])
async def test_delete_is_durable_first_then_told(graceful: bool) -> None:
    """The API forgets the agent, and its runtime retires. It is not started once more only
    to be asked whether it has something: one that has, nudges."""
    async with house() as home:
        await home.lifecycle.delete(AGENT, graceful=graceful)
        with pytest.raises(NotFound):
            await home.launcher.get(AGENT)
        assert [retire.graceful for retire in home.agent.retires] == [graceful]
        assert home.launcher.retirements == [AGENT]
        assert not relaying()
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)


async def test_an_agent_that_could_not_be_told_of_its_end_is_relayed() -> None:
    """Whatever keeps it from answering, what it has is asked for."""
    async with house() as home:
        home.agent.retire_answer = grpc.StatusCode.INTERNAL
        await home.lifecycle.delete(AGENT, graceful=False)
        await home.agent.relay()
        assert home.launcher.retirements == [AGENT]


def relaying() -> bool:
    return any(task.get_name() == f"relay-{AGENT}" for task in asyncio.all_tasks())


async def test_delete_of_an_agent_that_does_not_answer_is_still_one() -> None:
    """204 within its bound: the tombstone counts, not the runtime's answer."""
    async with house() as home:
        del home.launcher.targets[AGENT]
        async with asyncio.timeout(3):
            await home.lifecycle.delete(AGENT, graceful=False)
        assert home.launcher.retirements == [AGENT]
        with pytest.raises(NotFound):
            await home.lifecycle.delete(AGENT, graceful=False)
