"""Events and turns read back from real agents: no webhook, no gap, no double."""

import asyncio
import itertools
import sys

import httpx
import pytest

from tests.e2e.story import SECRET, first_seen, turn, whole
from tests.peers.gateway import Client, GatewayProcess, House
from tests.peers.receiver import Receiver
from tests.peers.sse import Message, Stream, streaming

SLOW = "for n in 1 2 3; do echo line $n; sleep 0.2; done"


def path(agent: str, *rest: str) -> str:
    return "/".join(["/api/v1/agents", agent, *rest])


async def send(client: Client, agent: str, content: str, **body: object) -> str:
    """A message without a webhook; its request_id."""
    answer = await client.http.post(
        path(agent, "messages"), params={"user_id": "ada"}, json={"content": content, **body}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["request_id"])


async def final_of(stream: Stream) -> list[Message]:
    """Everything up to the final of a stream that goes on after it."""
    messages = []
    while message := await stream.next():
        messages.append(message)
        if message.json().get("is_final"):
            break
    return messages


async def test_a_turn_without_a_webhook_is_followed_to_its_end(client: Client) -> None:
    """What was before comes first, then what comes as it comes; the stream ends by itself."""
    agent = await client.create()
    request_id = await send(client, agent, SLOW)
    events = path(agent, "events")
    async with streaming(client.http, events, user_id="ada", request_id=request_id) as stream:
        first = await stream.next()
        assert first is not None
        rest = await stream.rest()
    messages = [first, *rest]
    whole([message.json() for message in messages])
    assert [message.id for message in messages] == [str(m.json()["seq"]) for m in messages]
    after = {"user_id": "ada", "request_id": request_id, "after_seq": messages[-1].id}
    over = await client.http.get(events, params=after, headers={"accept": "text/event-stream"})
    assert over.status_code == 204
    shown = await client.http.get(path(agent, "turns", request_id), params={"user_id": "ada"})
    assert (shown.json()["state"], shown.json()["outcome"]) == ("ended", "completed")
    assert (shown.json()["delivery"], shown.json()["last_seq"]) == ("none", int(messages[-1].id))


async def test_readers_of_all_turns_see_the_same(client: Client) -> None:
    """One that was there all the time, one that came late, and pages: the same events, once."""
    agent = await client.create()
    events = path(agent, "events")
    async with streaming(client.http, events, user_id="ada") as early:
        await send(client, agent, "echo one")
        there = await final_of(early)
        await send(client, agent, SLOW)
        async with streaming(client.http, events, user_id="ada", last_event_id=there[0].id) as late:
            there += await final_of(early)
            came = await final_of(late) + await final_of(late)
    assert [message.data for message in came] == [message.data for message in there[1:]]
    assert [int(message.id) for message in there] == list(range(1, len(there) + 1))
    paged: list[int] = []
    after, more = 0, True
    while more:
        query = {"user_id": "ada", "after_seq": str(after), "limit": "2"}
        page = (await client.http.get(events, params=query)).json()
        paged += [payload["seq"] for payload in page["events"]]
        after, more = page["next_after_seq"], page["more"]
    assert paged == [int(message.id) for message in there]


async def test_payloads_are_the_webhooks_own(client: Client, receiver: Receiver) -> None:
    """Byte for byte: what was delivered can be compared with what is read back."""
    agent = await client.create()
    answer = await client.send(agent, "echo hello", receiver.url, webhook_secret=SECRET)
    request_id = answer.json()["request_id"]
    hooks = await turn(receiver, request_id)
    whole(first_seen(hooks))
    query = {"user_id": "ada", "request_id": request_id}
    async with streaming(client.http, path(agent, "events"), **query) as stream:
        read = await stream.rest()
    assert [message.data for message in read] == [hook.body for hook in hooks]


async def test_any_gateway_reads_back(place: House, client: Client) -> None:
    """The events are the agent's: another gateway tells the same."""
    agent = await client.create()
    request_id = await send(client, agent, "echo hello")
    query = {"user_id": "ada", "request_id": request_id}
    other = await place.gateway()
    async with other.client() as second:
        async with streaming(client.http, path(agent, "events"), **query) as stream:
            here = await stream.rest()
        async with streaming(second.http, path(agent, "events"), **query) as stream:
            there = await stream.rest()
    assert [message.data for message in here] == [message.data for message in there]


async def test_an_agent_that_dies_ends_the_stream_in_words(place: House, client: Client) -> None:
    """The reader is told, goes on after the last event, and gets the rest once."""
    agent = await client.create()
    request_id = await send(client, agent, "echo before; exec sleep 30")
    query = {"user_id": "ada", "request_id": request_id}
    events = path(agent, "events")
    async with streaming(client.http, events, **query) as stream:
        before = await stream.next()
        assert before is not None
        place.kill_runtimes()
        error = await stream.next()
        assert error is not None
        assert (error.event, error.json()["error"]) == ("error", "service_unavailable")
        assert await stream.next() is None
    async with asyncio.timeout(20):
        while True:
            async with streaming(client.http, events, last_event_id=before.id, **query) as stream:
                if stream.response.status_code == 200:
                    rest = await stream.rest()
                    break
            await asyncio.sleep(0.1)
    payloads = [message.json() for message in [before, *rest]]
    whole(payloads)
    assert payloads[-1]["error"]["code"] == "AGENT_RESTARTED"


async def test_a_gateway_that_stops_ends_its_streams_at_once(
    gateway: GatewayProcess, client: Client
) -> None:
    """A reader of events that never come does not hold the shutdown up."""
    agent = await client.create()
    async with streaming(client.http, path(agent, "events"), user_id="ada") as stream:
        stopping = asyncio.create_task(gateway.stop())
        [farewell] = await stream.rest()
        assert (farewell.event, farewell.json()["error"]) == ("error", "service_unavailable")
        assert await asyncio.wait_for(stopping, 5) == 0


async def test_what_is_not_there_is_404(client: Client) -> None:
    """Turns and agents nobody has heard of."""
    agent = await client.create()
    query = {"user_id": "ada"}
    asked: list[httpx.Response] = [
        await client.http.get(path(agent, "turns", "r-9"), params=query),
        await client.http.get(path(agent, "events"), params={**query, "request_id": "r-9"}),
        await client.http.get(path("agt-9", "turns"), params=query),
        await client.http.post(path(agent, "turns", "r-9", "redeliver"), params=query, json={}),
    ]
    assert [answer.status_code for answer in asked] == [404] * 4
    for accept in ("*/*", "text/event-stream"):
        query = {"user_id": "ada", "request_id": "r-9"}
        answer = await client.http.get(
            path(agent, "events"), params=query, headers={"accept": accept}
        )
        assert answer.status_code == 404


@pytest.mark.parametrize("body", [{}, {"webhook_secret": "s2"}])
async def test_a_turn_without_a_webhook_is_not_delivered_again(
    client: Client, body: dict[str, str]
) -> None:
    """There is nowhere to deliver it to: 400 that names what is missing."""
    agent = await client.create()
    request_id = await send(client, agent, "echo hello")
    url = path(agent, "turns", request_id, "redeliver")
    answer = await client.http.post(url, params={"user_id": "ada"}, json=body)
    assert answer.status_code == 400
    assert "webhook_url is missing" in answer.json()["message"]


async def test_a_reader_that_keeps_leaving_misses_nothing(place: House) -> None:
    """In the middle of thousands of events, at any of two gateways: each once, in order."""
    one, two = await place.gateway(), await place.gateway()
    async with one.client() as first, two.client() as second:
        agent = await first.create()
        many = "import sys; [print(n, flush=True) for n in range(4000)]"
        request_id = await send(first, agent, f"{sys.executable} -c '{many}'")
        query, read = {"user_id": "ada", "request_id": request_id}, list[Message]()
        for turn, leave_after in enumerate(itertools.cycle((1, 700, 64, 350))):
            client = (first, second)[turn % 2]
            since = read[-1].id if read else ""
            async with streaming(
                client.http, path(agent, "events"), last_event_id=since, **query
            ) as stream:
                for _ in range(leave_after):
                    if message := await stream.next():
                        read.append(message)
            if read[-1].json().get("is_final"):
                break
    whole([message.json() for message in read])
    assert len(read) > 4000


async def test_too_many_turns_are_429(client: Client) -> None:
    """When an agent takes no more it says when to come back; an interrupt still gets through."""
    agent = await client.create()
    await send(client, agent, "exec sleep 30", request_id="r-0")
    url, query = path(agent, "messages"), {"user_id": "ada"}
    for _ in range(10):
        posts = [client.http.post(url, params=query, json={"content": "true"}) for _ in range(100)]
        answers = await asyncio.gather(*posts)
    refused = [answer for answer in answers if answer.status_code != 202]
    assert [answer.status_code for answer in refused] == [429]
    assert refused[0].json()["error"] == "too_many_requests"
    assert int(refused[0].headers["retry-after"]) > 0
    repeat = await client.http.post(
        url, params=query, json={"content": "exec sleep 30", "request_id": "r-0"}
    )
    assert repeat.headers["idempotent-replayed"] == "true"
    interrupt = await client.http.post(path(agent, "interrupt"), params=query, json={})
    assert interrupt.status_code == 202
