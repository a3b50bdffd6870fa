"""Channels to agents."""

import asyncio

import grpc
import pytest

from gateway.relay import links as rooms
from gateway.relay.links import Link, Links, bearer
from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from tests.peers.agent import ScriptedAgent


async def ask(link: Link, token: str = "t") -> agent_pb2.GetStatusResponse:
    stub: agent_pb2_grpc.AgentServiceAsyncStub = agent_pb2_grpc.AgentServiceStub(link.channel)
    return await stub.GetStatus(agent_pb2.GetStatusRequest(), metadata=bearer(token))


async def test_one_channel_a_target() -> None:
    """Asking again costs no connection."""
    async with ScriptedAgent.playing("a") as agent:
        links = Links()
        async with links.to(agent.target) as first, links.to(agent.target) as second:
            assert first is second
            await ask(first, "t")
        assert agent.tokens == ["t"]
        await links.close()


async def test_a_renewed_link_lives_until_its_last_user_leaves() -> None:
    """One call's deadline does not break the relay on the same channel."""
    async with ScriptedAgent.playing("a") as agent:
        links = Links()
        async with links.to(agent.target) as held:
            await links.renew(held)
            await ask(held)
            async with links.to(agent.target) as fresh:
                assert fresh is not held
        with pytest.raises(grpc.aio.UsageError):
            await ask(held)
        await links.close()


async def test_links_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that come and go leave no channels; those in use are kept."""
    monkeypatch.setattr(rooms, "MAX_LINKS", 2)
    async with ScriptedAgent.playing("a") as agent:
        links = Links()
        async with links.to(agent.target) as used:
            for port in range(1, 5):
                async with links.to(f"127.0.0.1:{port}"):
                    pass
            await ask(used)
            async with links.to(agent.target) as again:
                assert again is used
        await links.close()


async def test_large_events_fit() -> None:
    """One event of 4 MiB, which gRPC's own limit would refuse."""
    async with ScriptedAgent.playing("a") as agent:
        agent.status = agent_pb2.GetStatusResponse(session_id="x" * (5 * 1024 * 1024))
        links = Links()
        async with asyncio.timeout(10), links.to(agent.target) as link:
            told = await ask(link)
        assert len(told.session_id) == 5 * 1024 * 1024
        await links.close()


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see tokens and tickets, and may not even reach agents."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with ScriptedAgent.playing("a") as agent:
        links = Links()
        async with links.to(agent.target) as link, asyncio.timeout(10):
            await ask(link)
        await links.close()
