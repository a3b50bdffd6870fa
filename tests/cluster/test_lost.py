"""Pods that vanish in mid-turn, with their journal: the turn's final comes all the same, once."""

import json

from tests.cluster.deployment import Deployment
from tests.cluster.place import finalizers
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, of, signed, turn
from tests.peers.gateway import Client

LONG = "echo begun; sleep 600"


async def noted(deployment: Deployment, client: Client, receiver: NodeReceiver) -> tuple[str, str]:
    """An agent's id and that of a turn of it that runs and has its note on the pod."""
    agent = await client.create()
    answer = await client.send(agent, LONG, receiver.url, webhook_secret=SECRET)
    await receiver.wait(1)
    await deployment.until_noted(agent)
    return agent, str(answer.json()["request_id"])


async def ends_lost_once(
    deployment: Deployment, receiver: NodeReceiver, agent: str, request_id: str
) -> None:
    """One final, AGENT_LOST, signed; then nothing holds the pod any more."""
    hooks = await turn(receiver, request_id)
    await deployment.until_pod(agent, lambda pod: pod is None or not finalizers(pod))
    for hook in hooks:
        signed(hook)
    finals = [hook for hook in of(receiver, request_id) if hook.json().get("is_final")]
    assert {(hook.id, hook.body) for hook in finals} == {(finals[0].id, finals[0].body)}
    assert finals[0].id == f"{agent}_{request_id}_final"
    final = first_seen(hooks)[-1]
    assert (final["outcome"], final["error"]["code"]) == ("lost", "AGENT_LOST")


async def test_a_pod_that_is_deleted_by_force(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """AGENT_LOST, once; the finalizer goes and with it the pod; the agent is unknown then."""
    agent, request_id = await noted(deployment, client, receiver)
    pod = f"pod/ada-{agent}"
    await deployment.run("delete", pod, "--force", "--grace-period=0", "--wait=false")
    await ends_lost_once(deployment, receiver, agent, request_id)
    await deployment.until_pod(agent, lambda pod: pod is None)
    assert (await client.get(agent)).status_code == 404


async def test_a_pod_that_is_evicted(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """The same, by the API that drains nodes."""
    agent, request_id = await noted(deployment, client, receiver)
    name = f"ada-{agent}"
    path = f"/api/v1/namespaces/{deployment.name}/pods/{name}/eviction"
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": deployment.name},
    }
    await deployment.run("create", "--raw", path, "--filename=-", text=json.dumps(eviction))
    await ends_lost_once(deployment, receiver, agent, request_id)
    await deployment.until_pod(agent, lambda pod: pod is None)


async def test_a_pod_that_fails(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """kubelet ends a pod, as for a full disk, and nobody deletes it: AGENT_LOST, once; GET says
    what became of the agent until it is deleted."""
    agent, request_id = await noted(deployment, client, receiver)
    patch = '{"spec":{"activeDeadlineSeconds":1}}'
    await deployment.run("patch", f"pod/ada-{agent}", "--patch", patch)
    await ends_lost_once(deployment, receiver, agent, request_id)
    await deployment.until_pod(
        agent, lambda pod: pod is not None and pod["status"]["phase"] == "Failed"
    )
    told = (await client.get(agent)).json()
    assert (told["phase"], told["ready"]) == ("Failed", False)
    assert told["reason"] == "DeadlineExceeded"
    assert (await client.send(agent, "echo hi", receiver.url)).status_code == 503
    assert (await client.delete(agent)).status_code == 204
    await deployment.until_pod(agent, lambda pod: pod is None)
