"""A node that goes away with the agents on it, in mid-turn."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.node import images, seed
from tests.cluster.node.node import Node
from tests.cluster.node.second import Second, joined
from tests.cluster.outside import house_outside
from tests.cluster.place import Place, finalizers, fresh_place
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, of, signed, turn
from tests.peers.gateway import GatewayProcess
from tests.peers.receiver import Hook

TOLERANT_FOR_A_MOMENT = {
    "key": "node.kubernetes.io/unreachable",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 1,
}
"""Kubernetes gives pods 5 minutes where nobody says otherwise."""
GRACE_S = 1
NOTE = "forge.dev/note."


@pytest.fixture
def second(cluster: Node) -> Iterator[Second]:
    archives = [image.archive for image in images.build()]
    with joined(cluster, seed.seed(cluster.components, archives)) as made:
        yield made


@dataclass(frozen=True)
class Busy:
    """An agent with a turn that runs and one that waits for it, both noted."""

    agent: str
    turns: Sequence[str]


async def test_turns_on_a_node_that_is_gone_end_lost_once(
    tmp_path: Path, second: Second, receiver: NodeReceiver
) -> None:
    """When Kubernetes gives a pod up, what ran in it and what was queued have one final each,
    AGENT_LOST, signed, and nothing of ours holds the pod any more. Until then nothing is said.
    Both ways in which it does: it evicts what does not tolerate an unreachable node any longer,
    and it collects what is left of a node that somebody has removed."""
    with fresh_place() as place:
        async with house_outside(tmp_path, place) as house:
            hasty, patient = await asyncio.gather(
                house.gateway(**template(tmp_path / "hasty", second, TOLERANT_FOR_A_MOMENT)),
                house.gateway(**template(tmp_path / "patient", second)),
            )
            evicted, left = await asyncio.gather(
                busy(place, hasty, receiver), busy(place, patient, receiver)
            )
            await asyncio.to_thread(second.lose)
            await found_unreachable(place, second)
            await end_lost_once(place, receiver, evicted, "due to NoExecute taint")
            assert not finals(receiver, left)
            await removed(place, second)
            await collected(place, second)
            await end_lost_once(place, receiver, left, "node no longer exists")
            for one in (evicted, left):
                await place.until_pod(one.agent, lambda pod: pod is None)
                assert len(finals(receiver, one)) == len(one.turns)


def template(file: Path, second: Second, *tolerations: Mapping[str, Any]) -> dict[str, str]:
    """The setting of a gateway whose agents live there."""
    here = {"key": second.itself.layout.taint, "operator": "Exists"}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": second.name},
        "tolerations": [here, *tolerations],
        "terminationGracePeriodSeconds": GRACE_S,
    }
    file.write_text(json.dumps({"spec": spec}))  # JSON is YAML, too
    return {"FORGE_AGENT_TEMPLATE": str(file)}


async def busy(place: Place, gateway: GatewayProcess, receiver: NodeReceiver) -> Busy:
    async with gateway.client() as client:
        agent = await client.create()
        answers = [
            await client.send(agent, script, receiver.url, webhook_secret=SECRET)
            for script in ("echo begun; sleep 600", "echo never")
        ]
    await place.until_pod(agent, lambda pod: pod is not None and notes(pod) == len(answers))
    return Busy(agent, [str(answer.json()["request_id"]) for answer in answers])


def notes(pod: Mapping[str, Any]) -> int:
    return sum(name.startswith(NOTE) for name in pod["metadata"].get("annotations", ()))


def finals(receiver: NodeReceiver, of_agent: Busy) -> list[Hook]:
    return [
        hook
        for request_id in of_agent.turns
        for hook in of(receiver, request_id)
        if hook.json().get("is_final")
    ]


async def end_lost_once(place: Place, receiver: NodeReceiver, lost: Busy, why: str) -> None:
    for request_id in lost.turns:
        await turn(receiver, request_id)
    for final in finals(receiver, lost):
        signed(final)
        told = final.json()
        assert (told["outcome"], told["error"]["code"]) == ("lost", "AGENT_LOST")
        assert why in told["error"]["message"]
    await place.until_pod(lost.agent, lambda pod: pod is None or not finalizers(pod))


async def found_unreachable(place: Place, second: Second) -> None:
    """What Kubernetes' node controller says of a node of which it has heard nothing for its grace
    period, five minutes here. What follows from it the real controllers do: the taint, and the
    eviction of whoever does not tolerate that (any longer)."""
    ready = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }
    patch = json.dumps({"status": {"conditions": [ready]}})
    await place.run("patch", "node", second.name, "--subresource=status", "--patch", patch)


async def removed(place: Place, second: Second) -> None:
    """By the cloud's controller or an operator, who know that the machine will not come back."""
    await place.run("delete", "node", second.name, "--wait=false")


async def collected(place: Place, second: Second) -> None:
    """What Kubernetes' pod collector does with the pods of a node that was removed. It waits for
    40 s, so that here its two calls are made for it."""
    reason = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
    }
    failed = json.dumps({"status": {"phase": "Failed", "conditions": [reason]}})
    for pod in await place.objects("pods"):
        if pod["spec"]["nodeName"] == second.name:
            name = f"pod/{pod['metadata']['name']}"
            await place.run("patch", name, "--subresource=status", "--patch", failed)
            await place.run("delete", name, "--force", "--grace-period=0", "--wait=false")
