"""The HTTP API end to end, over real pods: `command` backend."""

from tests.cluster.contents import counted, counting
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client


async def test_a_message_is_answered_202_and_told_to_its_final(
    client: Client, receiver: NodeReceiver
) -> None:
    """The main job: everything that the agent does arrives signed, in order, up to one final."""
    agent = await client.create()
    answer = await client.send(agent, counting(40, per_s=40), receiver.url, webhook_secret=SECRET)
    assert answer.status_code == 202
    hooks = await turn(receiver, answer.json()["request_id"])
    for hook in hooks:
        signed(hook)
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == counted(40)
    assert payloads[-1]["outcome"] == "completed"


async def test_an_agent_is_told_in_the_words_of_kubernetes(client: Client) -> None:
    """pod_name, pod_ip, phase and ready are the pod's, live fields the agent's own."""
    agent = await client.create(labels={"team": "a"})
    told = (await client.get(agent, refresh="true")).json()
    assert (told["user_id"], told["phase"], told["ready"]) == ("ada", "Running", True)
    assert told["pod_name"] == f"ada-{agent}"
    assert told["pod_ip"].startswith("10.88.")
    assert (told["state"], told["permission_mode"]) == ("idle", "acceptEdits")


async def test_messages_queue_and_an_interrupt_ends_the_one_that_runs(
    client: Client, receiver: NodeReceiver
) -> None:
    """The interrupted turn says so, and the next one runs."""
    agent = await client.create()
    long = await client.send(agent, "echo begun; sleep 600", receiver.url)
    queued = await client.send(agent, "echo next", receiver.url)
    await receiver.wait(1)
    answer = await client.interrupt(agent, receiver.url)
    assert (answer.status_code, answer.json()["status"]) == (202, "interrupting")
    ended = first_seen(await turn(receiver, long.json()["request_id"]))
    assert ended[-1]["outcome"] == "interrupted"
    assert text(first_seen(await turn(receiver, queued.json()["request_id"]))) == "next\n"


async def test_repeats_are_recognised_by_every_replica(
    client: Client, receiver: NodeReceiver
) -> None:
    """Same id and content: 202 and Idempotent-Replayed; other content: 409."""
    agent = await client.create()
    told = {"request_id": "once"}
    first = await client.send(agent, "echo hi", receiver.url, **told)
    again = await client.send(agent, "echo hi", receiver.url, **told)
    other = await client.send(agent, "echo other", receiver.url, **told)
    assert [first.status_code, again.status_code, other.status_code] == [202, 202, 409]
    assert again.headers["idempotent-replayed"] == "true"
    whole(first_seen(await turn(receiver, "once")))
