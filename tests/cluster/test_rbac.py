"""The Role of deploy/ gives gateways exactly what they need."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import account
from tests.cluster.account import Permission
from tests.cluster.deployment import Deployment, deployed
from tests.cluster.outside import gateway_outside, house_outside
from tests.peers.gateway import GatewayProcess, House

_REFUSED_S = 20.0
_SETTINGS = {
    "FORGE_CREATE_TIMEOUT": "1s",
    "FORGE_AGENT_CPU_REQUEST": "1000",
    "FORGE_AGENT_CPU": "1000",
}
"""Agents never start."""
_AT_START = {"list", "watch"}
"""Verbs that are used when a gateway starts, and then not soon again."""


@pytest.fixture
def empty() -> Iterator[Deployment]:
    """All of deploy/, without a gateway."""
    with deployed(replicas=0) as made:
        yield made


async def test_each_permission_is_needed(tmp_path: Path, empty: Deployment) -> None:
    """With any verb of the Role taken away, something that gateways do is refused for the lack of
    it; with all of them, nothing is."""
    kubeconfig = str(await account.kubeconfig(empty, tmp_path))
    asked = await account.permissions(empty)
    async with gateway_outside(
        tmp_path / "one", empty, kubeconfig=kubeconfig, **_SETTINGS
    ) as gateway:
        told = await life_of_an_agent(gateway)
        await no_pods(empty)
        assert not account.REFUSED.search(told + gateway.log)
        for permission in asked:
            if permission.verb not in _AT_START:
                async with account.without(empty, permission):
                    await refused(gateway, permission, await life_of_an_agent(gateway))
    for permission in asked:
        if permission.verb in _AT_START:
            place = tmp_path / f"without-{permission.verb}-{permission.resource}"
            async with (
                account.without(empty, permission),
                house_outside(place, empty, kubeconfig=kubeconfig) as house,
            ):
                await refused(await started(house), permission, "")


async def started(house: House) -> GatewayProcess:
    """A gateway, whether it goes on or not."""
    made = GatewayProcess(house, {})
    house.gateways.append(made)
    with contextlib.suppress(AssertionError):  # it has ended, and its log says why
        await made.start()
    return made


async def life_of_an_agent(gateway: GatewayProcess) -> str:
    """One that cannot be waited for, one that is made, gets a message and is deleted, and one that
    nobody knows. What was answered, all in one text."""
    async with gateway.client() as client, asyncio.TaskGroup() as group:
        waiting = client.http.post("/api/v1/agents", json={"owner_id": "ada"})
        impatient = group.create_task(waiting)
        asked = {"owner_id": "ada", "env": {"WORD": "quince"}}
        made = await client.http.post("/api/v1/agents?wait=false", json=asked)
        agent = made.json().get("agent_id", "unknown")
        message = await client.http.post(
            f"/api/v1/agents/{agent}/messages", params={"user_id": "ada"}, json={"content": "hi"}
        )
        deleted = await client.delete(agent)
        unknown = await client.get("unknown")
        answers = (made, message, deleted, unknown, await impatient)
    return "".join(answer.text for answer in answers)


async def refused(gateway: GatewayProcess, permission: Permission, told: str) -> None:
    """Wait until the gateway has been, if its callers were not told so."""
    ends_s = time.monotonic() + _REFUSED_S
    while permission.refusal not in (told + gateway.log).replace("\\", ""):
        assert time.monotonic() < ends_s, f"nothing needs to {permission}"
        await asyncio.sleep(0.05)


async def no_pods(place: Deployment) -> None:
    async with asyncio.timeout(_REFUSED_S):
        while await place.objects("pods"):
            await asyncio.sleep(0.05)
