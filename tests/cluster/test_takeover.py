"""Gateways that go, killed or in order: nothing is lost, and nobody outside sees it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cluster.contents import counted, counting
from tests.cluster.deployment import Deployment
from tests.cluster.outside import gateway_outside
from tests.cluster.place import finalizers, fresh_place
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, of, signed, text, turn, whole
from tests.peers.gateway import Client

_CALLERS = 4


async def test_a_killed_replica_is_followed_by_the_other(
    deployment: Deployment, receiver: NodeReceiver
) -> None:
    """kill -9 in mid-turn, 200 events/s flowing: no gap, order kept, one final, all signed."""
    relaying, _ = await deployment.all_ready()
    async with deployment.client(url=relaying.url) as client:
        agent = await client.create()
        answer = await client.send(
            agent, counting(1000, per_s=200), receiver.url, webhook_secret=SECRET
        )
    await receiver.wait(300)
    relaying.kill()
    hooks = await turn(receiver, answer.json()["request_id"])
    for hook in hooks:
        signed(hook)
    assert len({(hook.id, hook.body) for hook in hooks}) == len(first_seen(hooks))
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == counted(1000)


async def test_a_rolling_restart_under_load_is_seen_by_nobody(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """No HTTP request fails, no event is lost, every turn has its one final."""
    await deployment.all_ready()
    agents = await asyncio.gather(*(client.create() for _ in range(_CALLERS)))
    async with calling(client, receiver, agents) as sent:
        await deployment.run("rollout", "restart", "deployment/forge-gateway")
        await deployment.run("rollout", "status", "deployment/forge-gateway")
        await deployment.all_ready()
    assert len(sent) > _CALLERS
    for request_id in sent:
        payloads = first_seen(await turn(receiver, request_id))
        whole(payloads)
        assert text(payloads) == counted(20)


async def test_a_gateway_that_stops_with_nothing_open_leaves_no_finalizer(
    tmp_path: Path, receiver: NodeReceiver
) -> None:
    """What a turn needed on its pod is gone with the turn, so pods can be deleted without any
    gateway."""
    with fresh_place() as place:
        async with gateway_outside(tmp_path, place) as gateway:
            async with gateway.client() as client:
                agent = await client.create()
                answer = await client.send(agent, "echo begun; sleep 2", receiver.url)
                await place.until_noted(agent)
                await turn(receiver, answer.json()["request_id"])
            assert await gateway.stop() == 0
            pod = await place.pod(agent)
    assert pod is not None
    assert finalizers(pod) == []


@asynccontextmanager
async def calling(
    client: Client, receiver: NodeReceiver, agents: list[str]
) -> AsyncIterator[list[str]]:
    """Callers that each have a conversation with an agent of theirs while the block runs.

    Yields the requests so far. A request that fails ends the block with its error.
    """
    sent: list[str] = []
    over = asyncio.Event()

    async def call(agent: str) -> None:
        while not over.is_set():
            answer = await client.send(agent, counting(20, per_s=40), receiver.url)
            assert answer.status_code == 202, answer.text
            request_id = answer.json()["request_id"]
            sent.append(request_id)
            assert (await client.get(agent, refresh="true")).json()["agent_id"] == agent
            await turn(receiver, request_id)

    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(call(agent))
        yield sent
        over.set()
    assert all(of(receiver, request_id) for request_id in sent)
