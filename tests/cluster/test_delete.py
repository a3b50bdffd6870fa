"""DELETE of an agent in mid-turn."""

import asyncio

from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, signed, turn
from tests.peers.gateway import Client


async def test_delete_ends_open_turns_and_leaves_nothing(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """404 at once; running and queued turns end interrupted at the receiver; pod and Secret go."""
    agent = await client.create(env={"GREETING": "hello"})
    running = await client.send(
        agent, 'echo "$GREETING"; sleep 600', receiver.url, webhook_secret=SECRET
    )
    queued = await client.send(agent, "echo never", receiver.url)
    await receiver.wait(1)
    assert receiver.hooks[0].json()["data"]["text"] == "hello\n"
    assert await deployment.objects("secrets", f"agent-id={agent}")
    assert (await client.delete(agent)).status_code == 204
    assert (await client.get(agent)).status_code == 404
    assert (await client.send(agent, "echo x", receiver.url)).status_code == 404
    listed = await client.http.get("/api/v1/agents", params={"user_id": "ada"})
    assert agent not in [one["agent_id"] for one in listed.json()["agents"]]
    hooks = await turn(receiver, running.json()["request_id"])
    for hook in hooks:
        signed(hook)
    for answer in (running, queued):
        final = first_seen(await turn(receiver, answer.json()["request_id"]))[-1]
        assert final["outcome"] == "interrupted"
    await deployment.until_pod(agent, lambda pod: pod is None)
    async with asyncio.timeout(30):
        while await deployment.objects("secrets", f"agent-id={agent}"):
            await asyncio.sleep(0.1)
