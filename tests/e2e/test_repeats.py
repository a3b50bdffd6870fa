"""The same request again: from any gateway, in any spelling, before and after everything died."""

import asyncio
import json
from collections.abc import Sequence

import httpx

from tests.e2e.story import SECRET, first_seen, of, turn, whole
from tests.peers.gateway import Client, House
from tests.peers.receiver import Receiver


async def post(client: Client, agent: str, body: bytes, key: str = "") -> httpx.Response:
    """A message whose body is exactly these bytes."""
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    url = f"/api/v1/agents/{agent}/messages"
    return await client.http.post(url, params={"user_id": "ada"}, content=body, headers=headers)


def first_ones(answers: Sequence[httpx.Response]) -> int:
    """How many were not repeats, of answers that all accept."""
    assert {answer.status_code for answer in answers} == {202}, [a.text for a in answers]
    return sum("idempotent-replayed" not in answer.headers for answer in answers)


async def test_one_of_many_at_once_is_the_first(place: House, receiver: Receiver) -> None:
    """Two gateways, ten requests, two spellings, two secrets: one turn."""
    one, two = await place.gateway(), await place.gateway()
    async with one.client() as first, two.client() as second:
        agent = await first.create()
        target = {"webhook_url": receiver.url, "webhook_secret": SECRET}
        plain = json.dumps({"content": "echo a", "request_id": "r-1", **target}).encode()
        spelt = {"webhook_url": receiver.url, "request_id": "r-1", "content": "echo a"}
        other = json.dumps(spelt, indent=4).encode()
        asked = [post(first, agent, plain), post(second, agent, other)]
        asked += [post(second, agent, plain), post(first, agent, other)]
        assert first_ones(await asyncio.gather(*asked)) == 1
        whole(first_seen(await turn(receiver, "r-1")))
        for client in (first, second):
            changed = await post(client, agent, b'{"content": "echo b", "request_id": "r-1"}')
            assert (changed.status_code, changed.json()["error"]) == (409, "conflict")
        assert len({hook.json()["request_id"] for hook in receiver.hooks}) == 1


async def test_a_repeat_is_known_after_everything_died(place: House, receiver: Receiver) -> None:
    """Gateway and runtime killed, the turn long over: still a repeat, and other content a conflict,
    by the header as by the field."""
    before = await place.gateway()
    body = json.dumps({"content": "echo a", "webhook_url": receiver.url}).encode()
    async with before.client() as client:
        agent = await client.create()
        assert first_ones([await post(client, agent, body, "r-1")]) == 1
        hooks = await turn(receiver, "r-1")
    await before.kill()
    place.kill_runtimes()
    after = await place.gateway()
    async with after.client() as client:
        assert first_ones([await post(client, agent, body, "r-1")]) == 0
        other = await post(client, agent, b'{"content": "echo b"}', "r-1")
        assert other.status_code == 409
        both = await post(client, agent, b'{"content": "echo a", "request_id": "r-2"}', "r-1")
        assert both.status_code == 400
    # What was on its way when the gateway died may come twice, under its first id.
    assert {hook.id for hook in of(receiver, "r-1")} == {hook.id for hook in hooks}
