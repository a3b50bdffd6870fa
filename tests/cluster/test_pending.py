"""Messages to an agent whose pod has never been ready: they wait on the pod itself."""

from tests.cluster.deployment import Deployment
from tests.cluster.gate import Gate
from tests.cluster.place import finalizers
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client

NOTES = "forge.dev/note."


async def test_messages_wait_on_the_pod_and_run_in_order(
    deployment: Deployment, gate: Gate, client: Client, receiver: NodeReceiver
) -> None:
    """202 while the pod is Pending, sealed on the pod; once it is ready all of them run, each
    once, in the order in which they came; repeats and conflicts are recognised before and after."""
    async with gate.closed():
        agent = await client.begin()
        sent = [
            await client.send(
                agent, f"echo {n}", receiver.url, webhook_secret=SECRET, request_id=f"m{n}"
            )
            for n in range(3)
        ]
        again = await client.send(agent, "echo 1", receiver.url, request_id="m1")
        other = await client.send(agent, "echo other", receiver.url, request_id="m1")
        pod = await deployment.pod(agent)
        waiting = (await client.get(agent)).json()
    assert [answer.status_code for answer in (*sent, again, other)] == [202, 202, 202, 202, 409]
    assert again.headers["idempotent-replayed"] == "true"
    assert (waiting["phase"], waiting["ready"]) == ("Pending", False)
    assert "affinity/selector" in waiting["message"]
    assert pod is not None
    notes = [name for name in pod["metadata"]["annotations"] if name.startswith(NOTES)]
    assert len(notes) == 3
    assert "forge.dev/notes" in pod["metadata"]["finalizers"]
    assert SECRET not in str(pod)
    hooks = [await turn(receiver, f"m{n}") for n in range(3)]
    stories = [first_seen(of_one) for of_one in hooks]
    for hook in (hook for of_one in hooks for hook in of_one):
        signed(hook)
    for story in stories:
        whole(story)
    assert [text(story) for story in stories] == ["0\n", "1\n", "2\n"]
    assert [story[0]["seq"] for story in stories] == sorted(story[0]["seq"] for story in stories)
    late = await client.send(agent, "echo other", receiver.url, request_id="m1")
    assert late.status_code == 409
    await deployment.until_pod(agent, lambda pod: pod is not None and not finalizers(pod))
