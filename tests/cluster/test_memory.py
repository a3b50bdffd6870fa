"""Out of memory: the kernel ends the runtime, or the CLI alone."""

from tests.cluster import containers
from tests.cluster.contents import FILL_MEMORY, FILL_MEMORY_SLOWLY, after_gate
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import first_seen, text, turn, whole
from tests.peers.gateway import Client

RUNTIME = "-m agent_runtime"


async def test_a_runtime_without_memory_goes_on_in_place(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """The container is started again in the same pod, with its journal: the turn gets its one
    final, sequence numbers go on, the next message runs."""
    agent = await client.create()
    answer = await client.send(agent, after_gate(FILL_MEMORY_SLOWLY), receiver.url)
    await receiver.wait(1)
    before = await deployment.pod(agent)
    assert before is not None
    runtime = containers.running(before["metadata"]["uid"], RUNTIME)[-1]
    containers.prefer_for_oom(runtime)
    containers.open_gate(runtime)
    payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
    whole(payloads)
    assert payloads[-1]["error"]["code"] == "AGENT_RESTARTED"
    after = await deployment.pod(agent)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    (container,) = after["status"]["containerStatuses"]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["exitCode"] == 137
    again = await client.send(agent, "echo back", receiver.url)
    story = first_seen(await turn(receiver, again.json()["request_id"]))
    assert text(story) == "back\n"
    assert story[0]["seq"] == payloads[-1]["seq"] + 1


async def test_a_cli_without_memory_is_told_of_in_its_final(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """The CLI alone is ended; the runtime lives, and says why the turn failed."""
    agent = await client.create()
    answer = await client.send(agent, FILL_MEMORY, receiver.url)
    final = first_seen(await turn(receiver, answer.json()["request_id"]))[-1]
    assert final["outcome"] == "failed"
    assert "memory" in final["error"]["message"]
    pod = await deployment.pod(agent)
    assert pod is not None
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    again = await client.send(agent, "echo back", receiver.url)
    assert text(first_seen(await turn(receiver, again.json()["request_id"]))) == "back\n"
