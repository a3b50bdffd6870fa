"""The HTTP API end to end, over real pods: `command` backend."""

import asyncio
from collections.abc import Mapping

import grpc
import pytest

from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from tests.cluster.contents import counted, counting
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, of, signed, text, turn, whole
from tests.peers.gateway import Client
from tests.peers.sse import streaming


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


async def test_a_token_for_direct_clients_opens_its_own_pod(client: Client) -> None:
    """At the address that came with it; no other agent's does."""
    agent, other = await asyncio.gather(client.create(), client.create())
    given, others = await asyncio.gather(direct(client, agent), direct(client, other))
    async with grpc.aio.insecure_channel(given["address"]) as channel:
        ask = agent_pb2_grpc.AgentServiceStub(channel).GetStatus
        status = await ask(agent_pb2.GetStatusRequest(), metadata=bearer(given), timeout=20)
        assert status.state == agent_pb2.AGENT_STATE_IDLE
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(agent_pb2.GetStatusRequest(), metadata=bearer(others), timeout=20)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_turn_is_followed_read_back_and_delivered_again(
    client: Client, receiver: NodeReceiver
) -> None:
    """Followed as it goes, and delivered again as it was: the same events each time."""
    agent = await client.create()
    of_agent = f"/api/v1/agents/{agent}"
    sent = await client.send(agent, counting(10, per_s=20), receiver.url, webhook_secret=SECRET)
    one = sent.json()["request_id"]
    async with streaming(
        client.http, f"{of_agent}/events", user_id="ada", request_id=one
    ) as stream:
        followed = [message.json() for message in await stream.rest()]
    whole(followed)
    assert text(followed) == counted(10)
    ids = [hook.id for hook in await turn(receiver, one)]
    shown = (await client.http.get(f"{of_agent}/turns/{one}", params={"user_id": "ada"})).json()
    assert (shown["outcome"], shown["last_seq"]) == ("completed", followed[-1]["seq"])
    redeliver = f"{of_agent}/turns/{one}/redeliver"
    order = {"from_seq": shown["first_seq"]}
    answer = await client.http.post(redeliver, params={"user_id": "ada"}, json=order)
    assert (answer.status_code, answer.json()["generation"]) == (202, 2)
    await receiver.noticed.until(lambda: len(of(receiver, one)) == 2 * len(ids))
    again = of(receiver, one)[len(ids) :]
    assert [hook.id for hook in again] == ids
    assert [hook.json() for hook in again] == followed
    for hook in again:
        signed(hook)


async def direct(client: Client, agent: str) -> dict[str, str]:
    """Its address, and a token for it."""
    answer = await client.http.post(
        f"/api/v1/agents/{agent}/grpc-token", params={"user_id": client.user}, json={}
    )
    return dict(answer.json())


def bearer(given: Mapping[str, str]) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {given['token']}"),)
