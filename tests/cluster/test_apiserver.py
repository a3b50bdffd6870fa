"""The API server goes away and comes back: agents that are there do not notice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.cluster.contents import counted, counting
from tests.cluster.deployment import Deployment
from tests.cluster.node.node import Node
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import first_seen, text, turn, whole
from tests.peers.gateway import Client

_DOWN_S = 20.0
_PER_S = 20


@pytest.mark.alone
async def test_turns_and_webhooks_go_on_without_the_api_server(
    mortal_apiserver: Node, deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """For 20 s nobody answers: messages are still accepted, run and told to their finals. Then
    every gateway's cache is right again: what was made and deleted since is seen by both."""
    agent, other, doomed = [await client.create() for _ in range(3)]
    events = int(_DOWN_S * _PER_S)
    long = await client.send(agent, counting(events, per_s=_PER_S), receiver.url)
    await receiver.wait(1)
    async with no_apiserver(mortal_apiserver) as went_s:
        short = await client.send(other, "echo meanwhile", receiver.url)
        assert short.status_code == 202
        assert text(first_seen(await turn(receiver, short.json()["request_id"]))) == "meanwhile\n"
        assert (await client.get(other, refresh="true")).json()["state"] == "idle"
        hooks = await turn(receiver, long.json()["request_id"])
        await asyncio.sleep(max(0.0, went_s + _DOWN_S - time.monotonic()))  # the promise's 20 s
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == counted(events)
    assert max(b.at_s - a.at_s for a, b in pairwise(hooks)) < 5
    await deployment.run("delete", f"pod/ada-{doomed}", "--force", "--grace-period=0")
    made = await client.begin()
    for replica in await deployment.replicas():
        async with deployment.client(url=replica.url) as direct:
            await until_seen(direct, there={agent, other, made}, gone={doomed})


async def until_seen(client: Client, *, there: set[str], gone: set[str]) -> None:
    """Wait until that gateway lists them so."""
    async with asyncio.timeout(10):
        while True:
            answer = await client.http.get("/api/v1/agents", params={"user_id": client.user})
            listed = {one["agent_id"] for one in answer.json()["agents"]}
            if there <= listed and not gone & listed:
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def no_apiserver(node: Node) -> AsyncIterator[float]:
    """Killed, and started again after the block. Yields when it was killed (monotonic)."""
    await asyncio.to_thread(node.kill_apiserver)
    try:
        yield time.monotonic()
    finally:
        await asyncio.to_thread(node.start_apiserver)
