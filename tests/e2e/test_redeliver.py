"""Delivering again: from where, to whom, under which ids. Real gateways, agents and receivers."""

import asyncio
from typing import Any

from tests.e2e.story import SECRET, first_seen, of, signed, turn, whole
from tests.gateway.cli.command import forge
from tests.peers.gateway import Client, GatewayProcess
from tests.peers.receiver import Receiver, Reply

OTHER = "whsec_YW5vdGhlciBzZWNyZXQ="


async def told(client: Client, agent: str, request_id: str) -> dict[str, Any]:
    url = f"/api/v1/agents/{agent}/turns/{request_id}"
    answer = await client.http.get(url, params={"user_id": "ada"})
    return dict(answer.json())


async def redeliver(client: Client, agent: str, request_id: str, **order: object) -> int:
    """The generation that it begins."""
    url = f"/api/v1/agents/{agent}/turns/{request_id}/redeliver"
    answer = await client.http.post(url, params={"user_id": "ada"}, json=order)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["generation"])


async def delivered(client: Client, receiver: Receiver) -> tuple[str, str, list[str]]:
    """Agent, turn and webhook ids of a turn that has arrived."""
    agent = await client.create()
    answer = await client.send(agent, "echo a; echo b", receiver.url, webhook_secret=SECRET)
    request_id = answer.json()["request_id"]
    hooks = await turn(receiver, request_id)
    return agent, request_id, [hook.id for hook in hooks]


async def test_a_turn_is_delivered_again_as_it_was(client: Client, receiver: Receiver) -> None:
    """Every event once more, under the ids of the first time, signed with the same secret."""
    agent, request_id, ids = await delivered(client, receiver)
    first = (await told(client, agent, request_id))["first_seq"]
    assert await redeliver(client, agent, request_id, from_seq=first) == 2
    await receiver.noticed.until(lambda: len(of(receiver, request_id)) == 2 * len(ids))
    again = of(receiver, request_id)[len(ids) :]
    assert [hook.id for hook in again] == ids
    for hook in again:
        signed(hook)


async def test_a_new_receiver_and_secret(client: Client, receiver: Receiver) -> None:
    """From a seq on, to another receiver: the old one gets nothing more."""
    agent, request_id, ids = await delivered(client, receiver)
    from_seq = (await told(client, agent, request_id))["first_seq"] + 1
    async with Receiver() as other:
        target = {"webhook_url": other.url, "webhook_secret": OTHER}
        await redeliver(client, agent, request_id, from_seq=from_seq, **target)
        hooks = await turn(other, request_id)
    whole(first_seen(hooks))
    assert [hook.id for hook in hooks] == ids[1:]
    for hook in hooks:
        signed(hook, OTHER)
    assert len(of(receiver, request_id)) == len(ids)


async def test_a_new_secret_alone(client: Client, receiver: Receiver) -> None:
    """To the same receiver, signed with the new one from then on."""
    agent, request_id, ids = await delivered(client, receiver)
    first = (await told(client, agent, request_id))["first_seq"]
    await redeliver(client, agent, request_id, from_seq=first, webhook_secret=OTHER)
    await receiver.noticed.until(lambda: len(of(receiver, request_id)) == 2 * len(ids))
    for hook in of(receiver, request_id)[len(ids) :]:
        signed(hook, OTHER)


async def test_it_goes_nowhere_the_guard_refuses(client: Client, receiver: Receiver) -> None:
    """Not into the network around, nor to the gateway itself: 400 that names the field."""
    agent, request_id, _ = await delivered(client, receiver)
    url = f"/api/v1/agents/{agent}/turns/{request_id}/redeliver"
    for target in ("http://10.0.0.1/hook", f"{client.http.base_url}/hook"):
        answer = await client.http.post(
            url, params={"user_id": "ada"}, json={"webhook_url": target}
        )
        assert answer.status_code == 400
        assert answer.json()["message"].startswith("webhook_url: ")
    assert (await told(client, agent, request_id))["generation"] == 1


async def test_a_turn_read_back_can_be_delivered_later(client: Client, receiver: Receiver) -> None:
    """Sent without a webhook, given one afterwards."""
    agent = await client.create()
    url = f"/api/v1/agents/{agent}/messages"
    body = {"content": "echo a", "request_id": "r-1"}
    await client.http.post(url, params={"user_id": "ada"}, json=body)
    await redeliver(client, agent, "r-1", webhook_url=receiver.url, webhook_secret=SECRET)
    whole(first_seen(await turn(receiver, "r-1")))


async def test_an_abandoned_turn_begins_anew(
    gateway: GatewayProcess, client: Client, receiver: Receiver
) -> None:
    """A receiver that said 410 and is back gets what it missed; the command says so, too."""
    receiver.default = lambda _: Reply(status=410)
    agent = await client.create()
    answer = await client.send(agent, "echo a; echo b", receiver.url, webhook_secret=SECRET)
    request_id = answer.json()["request_id"]
    async with asyncio.timeout(10):
        while (await told(client, agent, request_id))["delivery"] != "abandoned":
            await asyncio.sleep(0.05)
    receiver.default = lambda _: Reply()
    env = {"FORGE_URL": gateway.url, "FORGE_USER": "ada"}
    again = await forge("redeliver", agent, request_id, env=env)
    assert (again.status, again.err) == (0, "")
    whole(first_seen(await turn(receiver, request_id)))
