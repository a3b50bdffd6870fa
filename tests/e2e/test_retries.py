"""How long an event is tried: counted in the journal, decided by whichever gateway it is."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.e2e.story import turn, whole
from tests.peers.gateway import Client, House
from tests.peers.receiver import Receiver, Reply


@pytest.mark.parametrize(
    ("settings", "attempts", "at_least_s"),
    [({"WEBHOOK_MAX_RETRIES": "3"}, [3], 0.0), ({"WEBHOOK_RETRY_FOR": "3s"}, range(2, 5), 3.0)],
)
async def test_the_budget_runs_over_gateways_and_its_end_is_seen(
    place: House,
    receiver: Receiver,
    settings: Mapping[str, str],
    attempts: Sequence[int],
    at_least_s: float,
) -> None:
    """Parked between all attempts, and the gateway killed after the first: the attempts and the
    time of the one before count. The turn says that it was given up, and why; nobody tries on."""
    receiver.default = lambda _: Reply(status=503, headers={"Retry-After": "1"})
    first = await place.gateway(**settings)
    async with first.client() as client:
        agent = await client.create()
        answer = await client.send(agent, "echo a", receiver.url, request_id="r-1")
        assert answer.status_code == 202
        await receiver.wait(1)
        async with asyncio.timeout(10):
            while (await told(client, agent))["delivery"] != "parked":
                await asyncio.sleep(0.02)
    await first.kill()
    second = await place.gateway(**settings)
    async with second.client() as client:
        async with asyncio.timeout(20):
            while (found := await told(client, agent))["delivery"] != "abandoned":
                await asyncio.sleep(0.02)
        assert len(receiver.hooks) in attempts
        assert receiver.hooks[-1].at_s - receiver.hooks[0].at_s >= at_least_s
        assert len({(hook.id, hook.body) for hook in receiver.hooks}) == 1
        assert "503" in found["last_error"]
        assert (found["state"], found["outcome"]) == ("ended", "completed")
        receiver.default = lambda _: Reply()
        url = f"/api/v1/agents/{agent}/turns/r-1/redeliver"
        again = await client.http.post(url, params={"user_id": "ada"}, json={})
        assert again.status_code == 202
        hooks = await turn(receiver, "r-1")
    whole([hook.json() for hook in hooks[len(hooks) - 2 :]])


async def told(client: Client, agent: str) -> dict[str, Any]:
    url = f"/api/v1/agents/{agent}/turns/r-1"
    found: dict[str, Any] = (await client.http.get(url, params={"user_id": "ada"})).json()
    return found
