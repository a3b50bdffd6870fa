"""The Role of deploy/ gives gateways exactly what they need."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import account
from tests.cluster.account import Permission
from tests.cluster.deployment import Deployment, deployed
from tests.cluster.node.layout import ADDRESS
from tests.cluster.outside import gateway_outside, house_outside
from tests.deploy.kustomize import FOLDER
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
_COMPONENTS = [FOLDER / "components" / name for name in ("agent-volumes", "node-ports")]
_EXTENDED = {"FORGE_AGENT_VOLUME": "64Mi", "NODE_HOST": ADDRESS}
"""The settings for which they are there."""
_NOWHERE = f"http://{ADDRESS}:9/hook"


@pytest.fixture(scope="module")
def empty() -> Iterator[Deployment]:
    """The base of deploy/, without a gateway."""
    with deployed(replicas=0) as made:
        yield made


@pytest.fixture(scope="module")
def extended() -> Iterator[Deployment]:
    """The same, with the components that give gateways more to do."""
    with deployed(replicas=0, components=_COMPONENTS) as made:
        yield made


async def test_each_permission_is_needed(tmp_path: Path, empty: Deployment) -> None:
    """With any verb of the Role taken away, something that gateways do is refused for the lack of
    it; with all of them, nothing is."""
    await each_is_needed(tmp_path, empty, await account.permissions(empty))


async def test_each_permission_of_components_is_needed(
    tmp_path: Path, empty: Deployment, extended: Deployment
) -> None:
    """The same of the verbs that they add, with the settings that those are for."""
    base = await account.permissions(empty)
    added = [asked for asked in await account.permissions(extended) if asked not in base]
    assert {asked.resource for asked in added} == {"persistentvolumeclaims", "services"}
    await each_is_needed(tmp_path, extended, added, **_EXTENDED)


async def test_a_lost_pod_is_made_again_with_no_more_than_that(
    tmp_path: Path, extended: Deployment
) -> None:
    """With its Service, and with the message that waited on it."""
    kubeconfig = str(await account.kubeconfig(extended, tmp_path))
    settings = {**_SETTINGS, **_EXTENDED}
    async with gateway_outside(tmp_path, extended, kubeconfig=kubeconfig, **settings) as gateway:
        async with gateway.client() as client:
            agent = await client.begin()
            sent = await client.send(agent, "echo hi", _NOWHERE)
            assert sent.status_code == 202, sent.text
            await extended.until_noted(agent)
            lost = await extended.pod(agent)
            assert lost is not None
            name = lost["metadata"]["name"]
            await extended.run("delete", "pod", name, "--force", "--wait=false")
            await extended.until_pod(agent, lambda pod: made_again(pod, lost))
            await extended.until_noted(agent)
            async with asyncio.timeout(_REFUSED_S):
                while not owned_by(await extended.objects("services"), await extended.pod(agent)):
                    await asyncio.sleep(0.05)
        assert not account.REFUSED.search(gateway.log)


async def each_is_needed(
    folder: Path, place: Deployment, asked: list[Permission], **settings: str
) -> None:
    """By gateways with these settings."""
    kubeconfig = str(await account.kubeconfig(place, folder))
    given = {"kubeconfig": kubeconfig, **_SETTINGS, **settings}
    async with gateway_outside(folder / "one", place, **given) as gateway:
        told = await life_of_an_agent(gateway)
        await no_pods(place)
        assert not account.REFUSED.search(told + gateway.log)
        for permission in asked:
            if permission.verb not in _AT_START:
                async with account.without(place, permission):
                    await refused(gateway, permission, await life_of_an_agent(gateway))
    for permission in asked:
        if permission.verb in _AT_START:
            own = folder / f"without-{permission.verb}-{permission.resource}"
            async with account.without(place, permission), house_outside(own, place, **given) as h:
                await refused(await started(h), permission, "")


def made_again(pod: dict[str, Any] | None, lost: dict[str, Any]) -> bool:
    return pod is not None and pod["metadata"]["uid"] != lost["metadata"]["uid"]


def owned_by(services: list[dict[str, Any]], pod: dict[str, Any] | None) -> bool:
    """Whether one of them goes with that pod."""
    owners = [
        owner["uid"] for made in services for owner in made["metadata"].get("ownerReferences", ())
    ]
    return pod is not None and pod["metadata"]["uid"] in owners


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
