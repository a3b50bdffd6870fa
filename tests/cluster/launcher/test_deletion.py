"""The end of agents: durable before anything else, finished whoever began it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.errors import NotFound, Unavailable
from gateway.launchers.kubernetes import names, sweep
from tests.cluster.launcher.place import KubernetesPlace
from tests.cluster.outside import gateway_outside
from tests.cluster.place import Place
from tests.gateway.launchers.harness import spec

CLAIMS = "persistentvolumeclaims"


async def test_a_retired_agent_goes(place: KubernetesPlace) -> None:
    """With what belongs to it."""
    launcher = await place.open()
    await launcher.create(spec(env={"A": "b"}), wait_s=20)
    await launcher.delete("a1")
    await launcher.retired("a1")
    await place.without("pods", "secrets")


async def test_a_gateway_that_forgets_is_stood_in_for(
    place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked by one that died before it could delete: another one does, a little later."""
    monkeypatch.setattr(sweep, "RETIRE_S", 1.0)
    one = await place.open()
    await one.create(spec(), wait_s=20)
    await one.delete("a1")
    await one.close()
    other = await place.open()
    with pytest.raises(NotFound):
        await other.get("a1")
    await place.without("pods")


async def test_one_that_never_ran_has_nobody_to_say_goodbye_to(place: KubernetesPlace) -> None:
    """Whoever deletes it is told at once, and does not wait for it to come up."""
    place.configure(FORGE_AGENT_CPU="100", FORGE_AGENT_CPU_REQUEST="100")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=0)
    with pytest.raises(Unavailable):
        await launcher.reach("a1", timeout_s=0.1)
    await launcher.delete("a1")
    with pytest.raises(NotFound):
        await launcher.reach("a1", timeout_s=20)
    await launcher.retired("a1")
    await place.without("pods")


@pytest.mark.parametrize("volume", ["", "1Gi"], ids=["pod", "volume"])
async def test_what_a_gateway_died_over_is_undone(
    place: KubernetesPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volume: str
) -> None:
    """Killed between the first object of an agent and its Secret: another gateway removes what is
    there, and the name can be had again; what has its Secret stays, whoever lived to say so."""
    monkeypatch.setattr(sweep, "HALF_MADE_S", 0.0)
    home = Place(place.namespace, place.kubectl)
    own = {"FORGE_AGENT_VOLUME": volume} if volume else {}
    async with gateway_outside(tmp_path, home, **own) as gateway, no_secrets(place):
        asked = {"owner_id": "ada", "agent_id": "a1", "env": {"A": "b"}}
        async with gateway.client() as client, asyncio.TaskGroup() as group:
            group.create_task(cut_off(client.http.post("/api/v1/agents", json=asked)))
            await until_marked(home, CLAIMS if volume else "pods")
            await gateway.kill()
    place.configure(FORGE_CREATE_TIMEOUT="1s", **own)
    launcher = await place.open()
    await place.without("pods", CLAIMS)
    assert (await launcher.create(spec(env={"A": "b"}), wait_s=30)).ready
    kind = CLAIMS if volume else "pods"
    mark = ("annotate", kind, "ada-a1", f"{names.MAKING}=")
    await asyncio.to_thread(place.kubectl, *mark)
    await until_marked(home, kind, marked=False)
    assert (await launcher.get("a1")).ready


@asynccontextmanager
async def no_secrets(place: KubernetesPlace) -> AsyncIterator[None]:
    """None can be made within the block, for a reason that may pass."""
    await asyncio.to_thread(place.kubectl, "create", "quota", "none", "--hard=secrets=0")
    try:
        await asyncio.to_thread(
            place.kubectl.wait_for, "quota", "none", "{.status.hard.secrets}", "0".__eq__
        )
        yield
    finally:
        await asyncio.to_thread(place.kubectl, "delete", "quota", "none")


async def until_marked(place: Place, kind: str, *, marked: bool = True) -> None:
    """As one of which objects are still to come."""
    async with asyncio.timeout(20):
        while True:
            found = await place.objects(kind)
            if found and marked is (names.MAKING in found[0]["metadata"]["annotations"]):
                return
            await asyncio.sleep(0.05)


async def cut_off(request: Awaitable[httpx.Response]) -> None:
    with pytest.raises(httpx.HTTPError):
        await request


async def test_two_deletions_are_one(place: KubernetesPlace) -> None:
    """Of two gateways at once one deletes, the other is told that there is no such agent."""
    one, other = await place.open(), await place.open()
    await one.create(spec(), wait_s=20)
    await other.get("a1")
    results = await asyncio.gather(one.delete("a1"), other.delete("a1"), return_exceptions=True)
    assert sorted(map(type, results), key=str) == [type(None), NotFound]


async def test_an_agent_may_be_deleted_behind_everybodys_back(place: KubernetesPlace) -> None:
    """kubectl may; it is gone then, and the id is free."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await asyncio.to_thread(place.kubectl, "delete", "pod", "ada-a1", "--force")
    async with asyncio.timeout(10):
        while await launcher.list():
            await asyncio.sleep(0.05)
    with pytest.raises(NotFound):
        await launcher.reach("a1", timeout_s=1)
    assert (await launcher.create(spec(), wait_s=20)).ready
