"""`delivery` of a message, from the caller to the receiver and back to the reader."""

import asyncio
from typing import Any

from tests.e2e.story import SECRET, signed, text, whole
from tests.peers.gateway import Client
from tests.peers.receiver import Hook, Receiver

SLOWLY = "for n in 1 2 3 4 5; do echo $n; sleep 0.02; done"
SAID = "1\n2\n3\n4\n5\n"


async def sent(client: Client, receiver: Receiver, **delivery: object) -> tuple[str, list[Hook]]:
    """The agent, and what its receiver got of turn r-1."""
    agent = await client.create()
    body = {"request_id": "r-1", "webhook_secret": SECRET, "delivery": delivery}
    answer = await client.send(agent, SLOWLY, receiver.url, **body)
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(20):
        while (await read(client, agent, "turns/r-1"))["delivery"] != "delivered":
            await asyncio.sleep(0.02)
    for hook in receiver.hooks:
        signed(hook)
    return agent, receiver.hooks


async def read(client: Client, agent: str, what: str) -> dict[str, Any]:
    answer = await client.http.get(f"/api/v1/agents/{agent}/{what}", params={"user_id": "ada"})
    found: dict[str, Any] = answer.json()
    return found


async def test_kinds_are_posted_and_the_rest_is_read_back(
    client: Client, receiver: Receiver
) -> None:
    """What was not asked for is neither posted nor lost, and the turn is delivered without it."""
    agent, hooks = await sent(client, receiver, kinds=["tool.*"])
    [hook] = hooks
    assert hook.json()["is_final"]
    payloads = (await read(client, agent, "events"))["events"]
    whole(payloads)
    assert text(payloads) == SAID


async def test_merged_events_are_posted_as_they_are_read_back(
    client: Client, receiver: Receiver
) -> None:
    """Five deltas that come together are one event, with one seq, for everybody."""
    agent, hooks = await sent(client, receiver, coalesce_ms=2000)
    assert [hook.json().get("kind") for hook in hooks] == ["text.delta", None]
    payloads = (await read(client, agent, "events"))["events"]
    whole(payloads)
    assert text(payloads) == text([hook.json() for hook in hooks]) == SAID
    assert [payload["seq"] for payload in payloads] == [1, 2]


async def test_a_batch_is_one_signed_post(client: Client, receiver: Receiver) -> None:
    """Under the id of its last event; all of them together are the turn."""
    agent, hooks = await sent(client, receiver, batch={"max_events": 4, "max_wait_ms": 3000})
    batches = [hook.json()["events"] for hook in hooks]
    assert [len(batch) for batch in batches] == [4, 2]
    assert [hook.id for hook in hooks] == [f"{agent}_4", f"{agent}_r-1_final"]
    payloads = [payload for batch in batches for payload in batch]
    whole(payloads)
    assert text(payloads) == SAID
    assert (await read(client, agent, "turns/r-1"))["acknowledged_seq"] == 6
