"""Owners are told apart whatever they are called."""

import asyncio

from tests.cluster.deployment import Deployment
from tests.cluster.gate import Gate
from tests.peers.gateway import Client

OWNERS = (
    "ada",
    "ada,user-id=bob",
    "ada,bob",
    "user-id=ada",
    "ada,agent-id!=x",
    "user-id in (ada,bob)",
    "!user-id",
    "ada ",
    "Ada",
    "a" * 300,
    "a" * 299 + "b",
    "\u00e4da",
    "\u30a8\u30a4\u30c0\U0001f469\u200d\U0001f4bb",
    "ada/../ada",
)


async def test_an_owner_sees_and_reaches_only_their_own_agents(
    deployment: Deployment, gate: Gate
) -> None:
    """Commas, equals signs, selectors, 300 characters, unicode: each owner's list has the one
    agent of theirs, under the name that they gave, and anybody else's is unknown to them."""
    async with gate.closed(), deployment.client() as anybody:
        agents = {owner: await Client(anybody.http, owner).begin() for owner in OWNERS}
        for owner, agent in agents.items():
            listed = await anybody.http.get("/api/v1/agents", params={"user_id": owner})
            shown = {one["agent_id"]: one["user_id"] for one in listed.json()["agents"]}
            if owner == "ada":  # other tests leave her some
                assert not set(shown) & (set(agents.values()) - {agent})
            else:
                assert shown == {agent: owner}
            others = Client(anybody.http, OWNERS[OWNERS.index(owner) - 1])
            assert (await others.get(agent)).status_code == 404
            assert (await others.send(agent, "echo hi", "")).status_code in (400, 404)
            assert (await others.delete(agent)).status_code == 404
        deletions = [Client(anybody.http, owner).delete(agent) for owner, agent in agents.items()]
        assert {answer.status_code for answer in await asyncio.gather(*deletions)} == {204}
