"""Notes end to end: real gateways as processes, real pods, and what both leave on them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.launchers.kubernetes import names
from tests.cluster.kubectl import Kubectl
from tests.cluster.launcher.place import IMAGE
from tests.cluster.namespace import namespace
from tests.cluster.objects import objects
from tests.e2e.story import SECRET, first_seen, of, signed, text, turn, whole
from tests.peers.gateway import House, house
from tests.peers.receiver import Receiver

_GONE_S = 60.0
NOWHERE = '{"spec": {"nodeSelector": {"nowhere": "true"}}}'


@pytest.fixture(scope="module")
def where() -> Iterator[str]:
    with namespace("notes") as name:
        yield name


@pytest.fixture
async def place(tmp_path: Path, where: str) -> AsyncIterator[House]:
    settings = {
        **IMAGE,
        "FORGE_LAUNCHER": "kubernetes",
        "KUBE_CONFIG_PATH": os.environ["FORGE_TEST_KUBECONFIG"],
        "AGENT_NAMESPACE": where,
        "FORGE_NUDGE_PORT": "0",
        "FORGE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    async with house(tmp_path, **settings) as made:
        yield made
    await asyncio.to_thread(_remove_pods, where)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def _remove_pods(where: str) -> None:
    """Freed as docs/operations.md says."""
    kubectl = Kubectl(where)
    for name in kubectl("get", "pods", "--output", "name").split():
        kubectl("patch", name, "--type", "merge", "--patch", '{"metadata":{"finalizers":null}}')
    kubectl("delete", "pods,persistentvolumeclaims", "--all", "--force")


async def metadata(where: str, agent: str, name: str) -> Any:
    """Of the agent's pod; None also when there is none."""
    found = await asyncio.to_thread(objects, where, "pods", f"{names.AGENT_ID}={agent}")
    return found[0]["metadata"].get(name) if found else None


async def until(where: str, agent: str, name: str, *, holds: bool) -> None:
    async with asyncio.timeout(_GONE_S):
        while bool(await metadata(where, agent, name)) != holds:
            await asyncio.sleep(0.1)


async def test_messages_sent_before_it_is_ready_are_answered_in_order(
    place: House, where: str, receiver: Receiver
) -> None:
    """Accepted at once over two gateways, run once each, and nothing is left on the pod."""
    one, other = await place.gateway(), await place.gateway()
    async with one.client() as first, other.client() as second:
        answer = await first.http.post(
            "/api/v1/agents?wait=false", json={"owner_id": "ada", "backend": "command"}
        )
        agent = answer.json()["agent_id"]
        for number in range(4):
            client = (first, second)[number % 2]
            body = {"webhook_secret": SECRET, "request_id": f"m{number}"}
            sent = await client.send(agent, f"echo {number}", receiver.url, **body)
            assert sent.status_code == 202, sent.text
        again = await second.send(agent, "echo 0", receiver.url, request_id="m0")
        assert again.headers["idempotent-replayed"] == "true"
        other_words = await first.send(agent, "echo other", receiver.url, request_id="m0")
        assert other_words.status_code == 409
        for number in range(4):
            hooks = await turn(receiver, f"m{number}")
            whole(first_seen(hooks))
            assert text(first_seen(hooks)).strip() == str(number)
            signed(hooks[-1])
        # in the journal: to receivers turns go side by side
        begun = [of(receiver, f"m{number}")[0].json()["seq"] for number in range(4)]
        assert begun == sorted(begun)
        await until(where, agent, "finalizers", holds=False)
    for gateway in (one, other):
        assert await gateway.stop() == 0, gateway.log
    assert not await metadata(where, agent, "finalizers")
    assert "note." not in str(await metadata(where, agent, "annotations"))


async def test_a_pod_that_cannot_start_ends_what_waits_with_the_reason(
    place: House, where: str, receiver: Receiver, tmp_path: Path
) -> None:
    """AGENT_START_FAILED in the scheduler's words; afterwards messages are refused in them."""
    template = tmp_path / "template.yaml"
    template.write_text(NOWHERE)
    gateway = await place.gateway(FORGE_START_DEADLINE="6s", FORGE_AGENT_TEMPLATE=str(template))
    async with gateway.client() as client:
        answer = await client.http.post(
            "/api/v1/agents?wait=false", json={"owner_id": "ada", "backend": "command"}
        )
        agent = answer.json()["agent_id"]
        sent = await client.send(agent, "echo hi", receiver.url, request_id="m1")
        assert sent.status_code == 202, sent.text
        assert names.FINALIZER in await metadata(where, agent, "finalizers")
        [hook] = await turn(receiver, "m1", within_s=30)
        error = hook.json()["error"]
        assert error["code"] == "AGENT_START_FAILED"
        assert "Unschedulable" in error["message"]
        assert "selector" in error["message"]
        await until(where, agent, "finalizers", holds=False)
        refused = await client.send(agent, "echo hi", receiver.url, request_id="m2")
        assert refused.status_code == 503
        assert "Unschedulable" in refused.json()["message"]
        assert int(refused.headers["retry-after"]) > 0


async def test_a_turn_too_young_for_a_note_whose_pod_vanishes(
    place: House, where: str, receiver: Receiver
) -> None:
    """Nothing is left to write on: the gateway that relays it sends the final itself."""
    gateway = await place.gateway()
    async with gateway.client() as client:
        agent = await client.create()
        await client.send(agent, "true", receiver.url, request_id="m0")
        await turn(receiver, "m0")
        sent = await client.send(agent, "echo begun; sleep 60", receiver.url, request_id="m1")
        assert sent.status_code == 202
        uid = await metadata(where, agent, "uid")
        await asyncio.to_thread(_force_delete, where, agent)
        hooks = await turn(receiver, "m1", within_s=60)
        finals = [hook for hook in hooks if hook.json().get("is_final")]
        assert uid
        assert {hook.id for hook in finals} == {f"{agent}_m1_final"}
        assert finals[0].json()["error"]["code"] == "AGENT_LOST"
        await until(where, agent, "name", holds=False)


async def test_two_gateways_and_a_pod_deleted_by_force(
    place: House, where: str, receiver: Receiver
) -> None:
    """One of them dies with it: the other one finds the note, and waits for who relayed it."""
    relaying = await place.gateway()
    async with relaying.client() as client:
        agent = await client.create()
        await client.send(agent, "echo begun; sleep 600", receiver.url, request_id="m1")
        await receiver.wait(1)
        await until(where, agent, "finalizers", holds=True)
    await relaying.kill()
    await asyncio.to_thread(_force_delete, where, agent)
    assert await metadata(where, agent, "name")  # its note holds it
    await place.gateway()
    hooks = await turn(receiver, "m1", within_s=90)
    assert of(receiver, "m1")[-1].json()["error"]["code"] == "AGENT_LOST"
    assert sum(bool(hook.json().get("is_final")) for hook in hooks) == 1
    await until(where, agent, "name", holds=False)


async def test_what_waits_for_an_agent_with_a_volume_outlives_its_pod(
    place: House, where: str, receiver: Receiver, tmp_path: Path
) -> None:
    """Accepted while its pod could not start, answered by the third one: nothing is lost."""
    template = tmp_path / "template.yaml"
    template.write_text(NOWHERE)
    volume = {"FORGE_AGENT_VOLUME": "64Mi"}
    gateway = await place.gateway(**volume, FORGE_AGENT_TEMPLATE=str(template))
    async with gateway.client() as client:
        answer = await client.http.post(
            "/api/v1/agents?wait=false", json={"owner_id": "ada", "backend": "command"}
        )
        agent = answer.json()["agent_id"]
        for name in ("m1", "m2"):
            sent = await client.send(agent, f"echo {name}", receiver.url, request_id=name)
            assert sent.status_code == 202, sent.text
        first = await metadata(where, agent, "uid")
        await asyncio.to_thread(_force_delete, where, agent)
        async with asyncio.timeout(_GONE_S):
            while await metadata(where, agent, "uid") in (None, first):
                await asyncio.sleep(0.1)
        again = await client.send(agent, "echo m1", receiver.url, request_id="m1")
        assert again.headers["idempotent-replayed"] == "true"
    await gateway.stop()
    await place.gateway(**volume)
    await asyncio.to_thread(_force_delete, where, agent)
    for name in ("m1", "m2"):
        hooks = await turn(receiver, name, within_s=60)
        assert first_seen(hooks)[-1]["outcome"] == "completed"
    await until(where, agent, "finalizers", holds=False)
    async with asyncio.timeout(_GONE_S):
        while names.NOTE in str(await asyncio.to_thread(objects, where, "persistentvolumeclaims")):
            await asyncio.sleep(0.2)


def _force_delete(where: str, agent: str) -> None:
    selector = f"{names.AGENT_ID}={agent}"
    Kubectl(where)("delete", "pods", "--selector", selector, "--force", "--wait=false")
