"""Many agents at once."""

import asyncio

import httpx
import pytest

from tests.cluster.contents import counted, counting
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import first_seen, text, turn, whole
from tests.peers.gateway import Client

_MANY = 40
_PATIENCE_S = 30.0


@pytest.mark.alone
async def test_forty_agents_are_made_at_once(
    deployment: Deployment, receiver: NodeReceiver
) -> None:
    """All are ready within the limit of a create, all are listed, each takes a message, and all
    are gone when they are deleted."""
    async with deployment.client("crowd") as client:
        agents = await asyncio.gather(*(client.create() for _ in range(_MANY)))
        listed = await client.http.get("/api/v1/agents", params={"user_id": "crowd"})
        assert listed.json()["total"] == len(set(agents)) == _MANY
        answers = await asyncio.gather(*(_sent(client, agent, receiver.url) for agent in agents))
        assert {answer.status_code for answer in answers} == {202}, [a.text for a in answers]
        for answer in answers:
            payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
            whole(payloads)
            assert text(payloads) == counted(5)
        deleted = await asyncio.gather(*(client.delete(agent) for agent in agents))
        assert {answer.status_code for answer in deleted} == {204}
    async with asyncio.timeout(60):
        while await deployment.objects("pods", "user-id=crowd"):
            await asyncio.sleep(0.2)


async def _sent(client: Client, agent: str, url: str) -> httpx.Response:
    """Repeated while it is answered 503: where 40 runtimes start on few cores, one of them may take
    longer than its gateway waits for it."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            answer = await client.send(agent, counting(5, per_s=5), url, request_id=f"to-{agent}")
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(float(answer.headers["retry-after"]))
