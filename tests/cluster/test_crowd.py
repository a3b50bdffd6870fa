"""Many agents at once."""

import asyncio

from tests.cluster.contents import counted, counting
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import first_seen, text, turn, whole

_MANY = 40


async def test_forty_agents_are_made_at_once(
    deployment: Deployment, receiver: NodeReceiver
) -> None:
    """All are ready within the limit of a create, all are listed, each takes a message, and all
    are gone when they are deleted."""
    async with deployment.client("crowd") as client:
        agents = await asyncio.gather(*(client.create() for _ in range(_MANY)))
        listed = await client.http.get("/api/v1/agents", params={"user_id": "crowd"})
        assert listed.json()["total"] == len(set(agents)) == _MANY
        answers = await asyncio.gather(
            *(client.send(agent, counting(5, per_s=5), receiver.url) for agent in agents)
        )
        for answer in answers:
            payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
            whole(payloads)
            assert text(payloads) == counted(5)
        deleted = await asyncio.gather(*(client.delete(agent) for agent in agents))
        assert {answer.status_code for answer in deleted} == {204}
    async with asyncio.timeout(60):
        while await deployment.objects("pods", "user-id=crowd"):
            await asyncio.sleep(0.2)
