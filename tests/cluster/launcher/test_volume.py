"""Agents with a volume of their own outlive their pods."""

import asyncio

from gateway.launchers.kubernetes import KubernetesLauncher, names, sweep
from tests.cluster.launcher.place import KubernetesPlace
from tests.gateway.launchers.harness import spec, status

POD = ("pod", "ada-a1")


async def ready_again(launcher: KubernetesLauncher, pod_uid: str) -> None:
    """Up, in another pod."""
    async with asyncio.timeout(60):
        while True:
            known = launcher._agents.find("a1")
            if known and known.ready and known.pod and known.pod.metadata.uid != pod_uid:
                return
            await asyncio.sleep(0.05)


async def test_a_lost_pod_is_made_again_with_its_journal(place: KubernetesPlace) -> None:
    """By any gateway, with the caller's variables; the journal goes on, the agent is the same."""
    place.configure(FORGE_AGENT_VOLUME="1Gi")
    one, other = await place.open(), await place.open()
    made = await one.create(spec(env={"A": "b"}), wait_s=30)
    pod = place.known("a1").pod
    assert pod is not None
    before = (await status(place, one)).latest_seq
    await asyncio.to_thread(place.kubectl, "delete", *POD, "--force")
    await ready_again(other, pod.metadata.uid)
    again = await other.get("a1")
    assert (again.agent_id, again.created_at, again.key_id) == (
        made.agent_id,
        made.created_at,
        made.key_id,
    )
    assert (await status(place, other)).latest_seq >= before
    env = await asyncio.to_thread(place.kubectl, "get", *POD, "--output=yaml")
    assert "name: ada-a1-env" in env


async def test_a_pod_that_has_ended_makes_way(place: KubernetesPlace) -> None:
    """Evicted for good is no end for an agent whose journal is elsewhere."""
    place.configure(FORGE_AGENT_VOLUME="1Gi")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=30)
    pod = place.known("a1").pod
    assert pod is not None
    evicted = '{"status":{"phase":"Failed","reason":"Evicted"}}'
    patch = ("patch", *POD, "--subresource=status", "--type=merge", f"--patch={evicted}")
    await asyncio.to_thread(place.kubectl, *patch)
    await ready_again(launcher, pod.metadata.uid)


async def test_a_deleted_agents_volume_goes(place: KubernetesPlace) -> None:
    """And its pod is not made again."""
    place.configure(FORGE_AGENT_VOLUME="1Gi")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=30)
    await launcher.delete("a1")
    assert await launcher.list() == []
    await launcher.retired("a1")
    kinds = ("pods", "persistentvolumeclaims")
    await place.without(*kinds)
    await asyncio.sleep(3 * sweep._GAP_S)
    assert await place.left(*kinds) == []


async def test_a_gateway_that_does_not_know_the_volume_yet_marks_it(
    place: KubernetesPlace,
) -> None:
    """Pods and claims are watched apart. A deletion is one for good, whoever was told what."""
    place.configure(FORGE_AGENT_VOLUME="1Gi")
    other = await place.open()
    await other._claims.close()  # it hears nothing more of them
    one = await place.open()
    await one.create(spec(), wait_s=30)
    async with asyncio.timeout(10):
        while not await other.list():
            await asyncio.sleep(0.01)
    await other.delete("a1")
    shown = await asyncio.to_thread(
        place.kubectl, "get", "persistentvolumeclaim", "ada-a1", "--output=yaml"
    )
    assert names.DELETED in shown


async def test_an_agent_that_waits_for_its_next_pod_is_found(place: KubernetesPlace) -> None:
    """Also by a gateway that has not been told of its volume: it is there all the time."""
    place.configure(FORGE_AGENT_VOLUME="1Gi")
    other = await place.open()
    for cache in (other._claims, other._pods):
        await cache.close()
    one = await place.open()
    made = await one.create(spec(), wait_s=30)
    await one.close()
    await asyncio.to_thread(place.kubectl, "delete", *POD, "--force")
    found = await other.get("a1")
    assert (found.created_at, found.ready) == (made.created_at, False)
